package io.gatun.testkit;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * A program under our control: its output as lines, its resources as the kernel counts them, and a certain end. It is
 * killed when it is closed, when its lifetime is over, or when this JVM exits, whichever is first.
 *
 * <p><b>Thread-safety:</b> all methods may be called from any thread.
 */
public final class PeerProcess implements AutoCloseable {
    /** No program of the lab runs longer than this unless it is told otherwise. */
    public static final Duration DEFAULT_LIFETIME = Duration.ofMinutes(10);

    private static final Duration DEATH = Duration.ofSeconds(10);
    private static final Set<Process> ALIVE = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> ALIVE.forEach(PeerProcess::destroy), "peer-reaper"));
    }

    private final String name;
    private final Process process;
    private final LineLog output = new LineLog();
    private final LineLog errors = new LineLog();

    private PeerProcess(String name, Process process, Duration lifetime) {
        this.name = name;
        this.process = process;
        ALIVE.add(process);
        CompletableFuture<Process> _ = process.onExit()
                .orTimeout(lifetime.toMillis(), TimeUnit.MILLISECONDS)
                .whenComplete((_, late) -> {
                    // A process that has ended by itself is left alone: this would close its output, perhaps unread.
                    if (late != null) {
                        destroy(process);
                    }
                    ALIVE.remove(process);
                });
        collect(process.getInputStream(), output, name + "-out");
        collect(process.getErrorStream(), errors, name + "-err");
    }

    /** Starts a program that lives {@link #DEFAULT_LIFETIME} at most. */
    public static PeerProcess start(String name, List<String> command) {
        return start(name, command, Map.of(), Path.of("."), DEFAULT_LIFETIME);
    }

    /** Starts a program. @throws UncheckedIOException if it cannot be executed */
    public static PeerProcess start(
            String name, List<String> command, Map<String, String> environment, Path folder, Duration lifetime) {
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().putAll(environment);
        try {
            return new PeerProcess(name, builder.start(), lifetime);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot start " + command, e);
        }
    }

    /** Runs a program to its end and gives its standard output. @throws AssertionError if it fails or takes too long */
    public static List<String> output(List<String> command, Duration timeout) {
        try (PeerProcess run = start(command.getFirst(), command)) {
            int status = run.awaitExit(timeout);
            if (status != 0) {
                throw new AssertionError(command + " ended with " + status + "\n" + run.errors.tail(40));
            }
            run.output.awaitEnd(timeout);
            return run.output.from(0).stream().map(LineLog.Line::text).toList();
        }
    }

    public String name() {
        return name;
    }

    public long pid() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** Standard output. */
    public LineLog output() {
        return output;
    }

    /** Standard error. */
    public LineLog errors() {
        return errors;
    }

    /** What the kernel says of the process now. */
    public ProcessUsage usage() {
        return ProcessUsage.of(process.pid());
    }

    /** Types a line. */
    public void send(String line) {
        try {
            process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
            process.getOutputStream().flush();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write to " + name + "\n" + errors.tail(20), e);
        }
    }

    /** Asks for an orderly end (SIGTERM). */
    public void terminate() {
        process.destroy();
    }

    /** Stops the process where it is (SIGSTOP), until {@link #resume} or its end. */
    public void suspend() {
        signal("STOP");
    }

    /** Lets the process go on (SIGCONT). */
    public void resume() {
        signal("CONT");
    }

    /** Ends the process by SIGKILL, with all its children, and waits until it is gone. */
    public void kill() {
        destroy(process);
        awaitExit(DEATH);
    }

    /** Waits for the end and gives the exit status. @throws AssertionError if it does not come in time */
    public int awaitExit(Duration timeout) {
        try {
            if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new AssertionError(name + " still runs after " + timeout + "\n" + tail());
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for " + name, e);
        }
    }

    @Override
    public void close() {
        kill();
    }

    /** The last that the process said, for messages. */
    String tail() {
        return output.tail(20) + errors.tail(20);
    }

    private void signal(String signal) {
        List<String> _ = output(List.of("sh", "-c", "kill -" + signal + " " + process.pid()), DEATH);
    }

    private static void destroy(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private static void collect(InputStream stream, LineLog log, String threadName) {
        Thread.ofPlatform().daemon().name(threadName).start(() -> {
            try (BufferedReader reader = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    log.append(line.stripTrailing());
                }
            } catch (IOException e) {
                log.append("(stream broke: " + e.getMessage() + ")");
            } finally {
                log.end();
            }
        });
    }
}
