package io.gatun.examples.flow;

import io.gatun.linux.LinuxException;
import io.gatun.linux.UnixListener;
import io.gatun.pmd.Port;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * Serves a {@link FlowSwitch} between guests: {@code ServeFlowSwitch [--control SOCKET] NAME=SOCKET...}, a vhost-user
 * port for each. Commands come on standard input, and on a socket where each answer ends with an empty line.
 */
public final class ServeFlowSwitch {
    private final FlowSwitch flowSwitch = new FlowSwitch("br0");
    private final FlowCommands commands = new FlowCommands(flowSwitch);
    private final ControlLoop loop = ControlLoop.start();
    private final Reactor reactor = Reactor.start("flow-switch", -1, Reactor.IdlePolicy.ADAPTIVE);
    private final List<Port> ports = new ArrayList<>();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("clock").factory());
    private Path control;

    private ServeFlowSwitch() {}

    /** See the class. */
    public static void main(String[] arguments) throws IOException {
        Path control = null;
        Map<String, Path> sockets = new LinkedHashMap<>();
        boolean understood = true;
        for (int i = 0; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            if (arguments[i].equals("--control") && i + 1 < arguments.length) {
                control = Path.of(arguments[++i]);
            } else {
                String name = arguments[i].substring(0, Math.max(equals, 0));
                understood &= equals > 0 && sockets.put(name, Path.of(arguments[i].substring(equals + 1))) == null;
            }
        }
        if (!understood || sockets.isEmpty()) {
            System.err.println("usage: ServeFlowSwitch [--control SOCKET] NAME=SOCKET..., each NAME once");
            System.exit(2);
        }
        ServeFlowSwitch server = new ServeFlowSwitch();
        Runtime.getRuntime().addShutdownHook(new Thread(server::close));
        try {
            sockets.forEach(server::addPort);
            server.listen(control);
        } catch (LinuxException e) {
            System.err.println("ServeFlowSwitch: " + e.getMessage());
            System.exit(1);
        }
        server.clock.execute(server::age);
        server.serve(System.in, System.out, false);
        // The end of the input is not the end of the switch: it may have come from /dev/null.
        while (true) {
            java.util.concurrent.locks.LockSupport.park();
        }
    }

    private void addPort(String name, Path socket) {
        Port port = VhostPort.listen(name, loop, socket, VhostPortOptions.DEFAULTS, List.of(reactor));
        ports.add(port);
        System.out.println("port " + flowSwitch.addPort(port) + " (" + name + ") at " + socket);
    }

    private void serve(InputStream in, PrintStream out, boolean ended) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        String line;
        while ((line = lines.readLine()) != null) {
            out.print(commands.run(line));
            if (ended) {
                out.println();
            }
            out.flush();
        }
    }

    private void listen(Path path) throws IOException {
        if (path == null) {
            return;
        }
        // Says what is in the way, be it a file or somebody who listens, and clears away what a former process left.
        UnixListener.listen(path.toString()).close();
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        control = path;
        Thread.ofPlatform().daemon().name("control").start(() -> serveControl(listener));
    }

    private void serveControl(ServerSocketChannel listener) {
        try (listener) {
            while (true) {
                SocketChannel client = listener.accept();
                Thread.ofVirtual().start(() -> serveClient(client));
            }
        } catch (IOException failed) {
            System.err.println("control socket " + control + ": " + failed.getMessage());
        }
    }

    private void serveClient(SocketChannel client) {
        try (client) {
            PrintStream out = new PrintStream(Channels.newOutputStream(client), false, StandardCharsets.UTF_8);
            serve(Channels.newInputStream(client), out, true);
        } catch (IOException gone) {
            // The client has left.
        }
    }

    private void age() {
        flowSwitch.bridge().age();
        ScheduledFuture<?> next = clock.schedule(this::age, 1, TimeUnit.SECONDS);
        assert !next.isCancelled();
    }

    private void close() {
        clock.shutdownNow();
        flowSwitch.close();
        ports.forEach(Port::close);
        reactor.close();
        loop.close();
        try {
            if (control != null) {
                Files.deleteIfExists(control);
            }
        } catch (IOException failed) {
            System.err.println("control socket " + control + ": " + failed.getMessage());
        }
    }
}
