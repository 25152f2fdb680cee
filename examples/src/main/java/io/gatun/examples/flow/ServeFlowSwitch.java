package io.gatun.examples.flow;

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
import java.util.List;
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

    private ServeFlowSwitch() {}

    /** See the class. */
    public static void main(String[] arguments) throws IOException {
        ServeFlowSwitch server = new ServeFlowSwitch();
        Runtime.getRuntime().addShutdownHook(new Thread(server::close));
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].equals("--control") && i + 1 < arguments.length) {
                Path control = Path.of(arguments[++i]);
                Thread.ofPlatform().daemon().name("control").start(() -> server.serveControl(control));
            } else if (arguments[i].indexOf('=') > 0) {
                int equals = arguments[i].indexOf('=');
                server.addPort(arguments[i].substring(0, equals), Path.of(arguments[i].substring(equals + 1)));
            } else {
                System.err.println("usage: ServeFlowSwitch [--control SOCKET] NAME=SOCKET...");
                System.exit(2);
            }
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

    private void serveControl(Path path) {
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            Files.deleteIfExists(path);
            listener.bind(UnixDomainSocketAddress.of(path));
            while (true) {
                SocketChannel client = listener.accept();
                Thread.ofVirtual().start(() -> serveClient(client));
            }
        } catch (IOException failed) {
            System.err.println("control socket " + path + ": " + failed.getMessage());
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
    }
}
