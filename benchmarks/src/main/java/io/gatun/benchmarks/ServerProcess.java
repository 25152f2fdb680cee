package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A vhost-user server in a process of its own, from the moment its sockets are there to {@link #close}. */
final class ServerProcess implements AutoCloseable {
    private static final long START_TIMEOUT_MILLIS = 20_000;

    private final Process process;
    private final List<Path> sockets;

    /** Starts a server that makes all {@code sockets}; its standard input stays open, its output goes to the log. */
    ServerProcess(List<String> command, List<Path> sockets, Path log) throws IOException, InterruptedException {
        this.sockets = sockets;
        for (Path socket : sockets) {
            Files.deleteIfExists(socket);
        }
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        long deadline = System.currentTimeMillis() + START_TIMEOUT_MILLIS;
        while (!sockets.stream().allMatch(Files::exists)) {
            if (!process.isAlive() || System.currentTimeMillis() > deadline) {
                process.destroyForcibly();
                throw new IOException(String.join(" ", command) + " made no socket " + sockets + "; see " + log);
            }
            Thread.sleep(20);
        }
    }

    List<Path> sockets() {
        return sockets;
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
