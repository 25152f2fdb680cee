package io.gatun.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Gatun with packet ports, as a process: started, looked at through its RPC socket, killed, started again.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
public final class SwitchServer implements AutoCloseable {
    private static final Duration START_TIMEOUT = Duration.ofSeconds(60);

    private final GatunProgram program;
    private final List<String> arguments = new ArrayList<>();
    private final List<String> listening = new ArrayList<>();
    private final Lab.Workspace workspace = Lab.workspace();
    private PeerProcess process;
    private RpcClient rpc;

    private SwitchServer(GatunProgram program) {
        this.program = program;
    }

    /** A server that has nothing yet; {@link #start} follows. */
    public static SwitchServer of(GatunProgram program) {
        return new SwitchServer(program);
    }

    /** Adds a vhost port that listens, with further options such as {@code queues=2}. */
    public SwitchServer vhost(String name, String... options) {
        listening.add(name);
        return port("vhost:" + name, "socket=" + socket(name), options);
    }

    /** Adds a vhost port that connects to a QEMU that listens. */
    public SwitchServer vhostConnecting(String name, String... options) {
        return port("vhost:" + name, "socket=" + socket(name) + ",connect=on", options);
    }

    /** Adds a port of any kind. */
    public SwitchServer port(String kindAndName, String first, String... options) {
        StringBuilder text = new StringBuilder(kindAndName);
        if (!first.isEmpty()) {
            text.append(',').append(first);
        }
        for (String option : options) {
            text.append(',').append(option);
        }
        return argument("--port", text.toString());
    }

    /** Adds arguments of {@code gatun serve}. */
    public SwitchServer argument(String... words) {
        arguments.addAll(List.of(words));
        return this;
    }

    /** Starts the process, for the first time or again; returns when it has made everything. */
    public SwitchServer start() {
        List<String> command = new ArrayList<>(List.of(
                program.script().toString(), "serve", "--rpc", workspace.path("rpc.sock").toString()));
        command.addAll(arguments);
        process = PeerProcess.start("gatun", command, Map.of(), workspace.folder(), PeerProcess.DEFAULT_LIFETIME);
        try {
            for (String name : listening) {
                ListeningSockets.await(socket(name), process, START_TIMEOUT);
            }
            process.errors().await("gatun to be ready", 0, line -> line.contains(" ready, pid "), START_TIMEOUT);
            return this;
        } catch (AssertionError e) {
            close();
            throw e;
        }
    }

    /** Ends the process without warning (SIGKILL) and waits until it is gone. */
    public void kill() {
        disconnect();
        process.kill();
    }

    public PeerProcess process() {
        return process;
    }

    /** Where a vhost port and QEMU meet. */
    public Path socket(String port) {
        return workspace.path(port + ".sock");
    }

    /** The RPC socket, once it listens. */
    public RpcClient rpc() {
        if (rpc == null) {
            Path socket = workspace.path("rpc.sock");
            ListeningSockets.await(socket, process, START_TIMEOUT);
            rpc = RpcClient.connect(socket);
        }
        return rpc;
    }

    /** What {@code port_get} says of a port. */
    public JsonNode portInfo(String name) {
        return rpc().call("port_get", RpcClient.params().put("name", name)).get(0);
    }

    /** The sum of a counter over a port's queues, such as {@code rx_queues} and {@code segmented}. */
    public long sum(String port, String queues, String counter) {
        long sum = 0;
        for (JsonNode queue : portInfo(port).get(queues)) {
            sum += queue.get(counter).asLong();
        }
        return sum;
    }

    /** How many of a port's queues have carried packets. */
    public int busyQueues(String port, String queues) {
        int count = 0;
        for (JsonNode queue : portInfo(port).get(queues)) {
            count += queue.get("packets").asLong() > 0 ? 1 : 0;
        }
        return count;
    }

    @Override
    public void close() {
        disconnect();
        if (process != null) {
            process.close();
        }
        workspace.close();
    }

    private void disconnect() {
        if (rpc != null) {
            rpc.close();
            rpc = null;
        }
    }
}
