package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * DPDK's testpmd, driven by its own commands: one end of a vhost-user network device.
 *
 * <p>It polls with all of the core that it is pinned to, from its start to its end.
 *
 * <p><b>Thread-safety:</b> one thread at a time.
 */
public final class Testpmd implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long STEP_NANOS = 50_000_000;
    private static final Pattern COUNTER = Pattern.compile("([RT]X-(?:packets|errors|missed|bytes)):\\s+(\\d+)");
    private static final Pattern END_OF_STATISTICS = Pattern.compile("\\s*Tx-pps:.*");
    private static final AtomicInteger NEXT = new AtomicInteger();

    /** Packets and errors of a port since its start; refused are those for which the peer had no buffer. */
    public record Statistics(long received, long sent, long receivedBytes, long errors, long refused) {}

    private final TestpmdSpec spec;
    private final PeerProcess process;
    private final Lab.Workspace folder;

    private Testpmd(TestpmdSpec spec) {
        this.spec = spec;
        this.folder = Lab.workspace();
        String prefix = "gatun-%d-%d".formatted(ProcessHandle.current().pid(), NEXT.incrementAndGet());
        // Into a pipe it would print a page at a time.
        List<String> command = new ArrayList<>(List.of("stdbuf", "-oL", Peer.TESTPMD.path().toString()));
        command.addAll(spec.arguments(prefix));
        this.process = PeerProcess.start(
                "testpmd-" + (spec.end() == TestpmdSpec.End.DEVICE ? "vhost" : "virtio-user"),
                command,
                Map.of("RUNTIME_DIRECTORY", folder.folder().toString()),
                Path.of("."),
                PeerProcess.DEFAULT_LIFETIME);
    }

    /**
     * Starts testpmd. An end that listens does so when this returns. A driver that listens goes no further until a
     * device connects; {@link #awaitReady} waits for that.
     */
    public static Testpmd start(TestpmdSpec spec) {
        if (spec.listens()) {
            removeLeftOver(spec.socket());
        }
        Testpmd testpmd = new Testpmd(spec);
        try {
            if (spec.listens()) {
                ListeningSockets.await(spec.socket(), testpmd.process, PATIENCE);
            }
            return testpmd;
        } catch (Throwable t) {
            testpmd.close();
            throw t;
        }
    }

    /** A testpmd that was killed leaves its socket, and the next one will not listen there. */
    private static void removeLeftOver(Path socket) {
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + socket, e);
        }
    }

    public TestpmdSpec spec() {
        return spec;
    }

    public PeerProcess process() {
        return process;
    }

    /** Waits until it takes commands. @throws AssertionError if it dies before */
    public Testpmd awaitReady() {
        process.output().await("testpmd's ports", 0, line -> line.startsWith("Checking link statuses"), PATIENCE);
        return this;
    }

    /** Starts forwarding. */
    public Testpmd forward() {
        return command("start", "packets/burst=");
    }

    /** As {@link #forward()}, after one burst on each queue: to set packets going in a circle. */
    public Testpmd forwardAfterBurst() {
        return command("start tx_first", "packets/burst=");
    }

    /** Stops forwarding. */
    public Testpmd halt() {
        return command("stop", "Done.");
    }

    /** Starts another forward mode; halts first. */
    public Testpmd forward(String mode) {
        halt();
        return command("set fwd " + mode, "Set " + mode + " packet forwarding mode").forward();
    }

    /** Types a command and waits for a line that contains {@code answer}. */
    public Testpmd command(String command, String answer) {
        int from = process.output().size();
        process.send(command);
        process.output().await("the answer to " + command, from, line -> line.contains(answer), PATIENCE);
        return this;
    }

    /** The port's counters now. */
    public Statistics statistics() {
        int from = process.output().size();
        process.send("show port stats 0");
        int end = process.output()
                .await("statistics", from, line -> END_OF_STATISTICS.matcher(line).matches(), PATIENCE)
                .index();
        long received = 0;
        long sent = 0;
        long bytes = 0;
        long errors = 0;
        long refused = 0;
        for (LineLog.Line line : process.output().from(from).subList(0, end - from)) {
            Matcher counters = COUNTER.matcher(line.text());
            while (counters.find()) {
                long value = Long.parseLong(counters.group(2));
                switch (counters.group(1)) {
                    case "RX-packets" -> received = value;
                    case "TX-packets" -> sent = value;
                    case "RX-bytes" -> bytes = value;
                    case "RX-errors" -> errors += value;
                    case "TX-errors" -> refused = value;
                    default -> { }
                }
            }
        }
        return new Statistics(received, sent, bytes, errors, refused);
    }

    /** Waits until it has received so many packets. @throws AssertionError if they do not come in time */
    public Statistics awaitReceived(long packets, Duration patience) {
        long deadline = System.nanoTime() + patience.toNanos();
        Statistics seen = statistics();
        while (seen.received() < packets) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(
                        "waited " + patience + " for " + packets + " packets, seen " + seen + "\n" + process.tail());
            }
            LockSupport.parkNanos(STEP_NANOS);
            seen = statistics();
        }
        return seen;
    }

    /** Has it end by itself. @throws AssertionError if it does not, or reports a failure */
    public void quit() {
        process.send("quit");
        int status = process.awaitExit(PATIENCE);
        if (status != 0) {
            throw new AssertionError("testpmd ended with " + status + "\n" + process.tail());
        }
    }

    @Override
    public void close() {
        process.close();
        folder.close();
    }
}
