package io.gatun.daemon.cli;

import io.gatun.daemon.bench.NetBench;
import io.gatun.daemon.bench.NetBenchException;
import io.gatun.daemon.bench.NetBenchOptions;
import io.gatun.daemon.bench.NetBenchOptions.Mode;
import io.gatun.daemon.bench.NetBenchResult;
import io.gatun.daemon.rpc.Json;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun bench net}. */
@Command(
        name = "net",
        mixinStandardHelpOptions = true,
        description = "Measures any vhost-user-net server from a guest's side: packets per second, loss, latencies.",
        footer = {
            "",
            "tx sends as fast as the server takes; rx takes what the server sends; echo sends packets that carry a",
            "number and the time, expects each one back, and reports loss and round-trip times.",
            "",
            "Examples:",
            "  gatun serve --port vhost:p0,socket=/tmp/p0.sock --loop macswap:p0      a server that sends back",
            "  gatun bench net --socket /tmp/p0.sock --mode echo --size 64 --time 5",
            "  gatun bench net --socket /tmp/p0.sock --mode echo --size 1518 --queues 2 --packed --verify",
            "  gatun bench net --socket /tmp/p0.sock --mode tx --core 1 --json        with --loop rxonly:p0",
            "  gatun bench net --socket /tmp/p0.sock --listen     for a server that connects (connect=on)",
            "",
            "With --window 1 echo measures the latency of one packet at a time."
        })
final class BenchNetCommand implements Callable<Integer> {
    @Option(names = "--socket", paramLabel = "PATH", description = "Where the server listens, or connects to.")
    private Path socket;

    @Option(names = "--listen", description = "Make the socket and wait for the server.")
    private boolean listen;

    @Option(names = "--mode", paramLabel = "MODE", defaultValue = "echo", description = "tx, rx or echo (echo).")
    private String mode;

    @Option(names = "--size", paramLabel = "BYTES", defaultValue = "64",
            description = "Length of the packets sent, from the Ethernet header on (64).")
    private String size;

    @Option(names = "--queues", paramLabel = "N", defaultValue = "1",
            description = "Queue pairs, one thread each (1).")
    private int queues;

    @Option(names = "--window", paramLabel = "N", defaultValue = "128",
            description = "echo: packets of each queue that may be on their way (128).")
    private int window;

    @Option(names = "--patience", paramLabel = "SECONDS", defaultValue = "0.5",
            description = "echo: when nothing comes for so long, what is on its way counts as lost (0.5).")
    private double patience;

    @Option(names = "--packed", description = "Packed rings.")
    private boolean packed;

    @Option(names = "--in-order", description = "VIRTIO_F_IN_ORDER.")
    private boolean inOrder;

    @Option(names = "--no-mrg", description = "Without mergeable receive buffers.")
    private boolean notMergeable;

    @Option(names = "--verify", description = "Check every byte of every packet that comes (rx, echo).")
    private boolean verify;

    @Mixin
    private BenchTimes times;

    @Option(names = "--hugepages", paramLabel = "WHEN", defaultValue = "auto",
            description = "auto, always or never (auto).")
    private String hugepages;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter progress = spec.commandLine().getErr();
        NetBench bench = new NetBench(options());
        NetBenchResult result;
        try (Interrupt ctrlC = new Interrupt(bench::stop)) {
            result = bench.run((second, sent, received, lost) -> {
                progress.println(String.format(
                        Locale.ROOT,
                        "%4d s  tx %8.3f Mpps  rx %8.3f Mpps  lost %,d",
                        second,
                        sent / 1e6,
                        received / 1e6,
                        lost));
                progress.flush();
            });
            if (ctrlC.happened()) {
                progress.println("gatun: stopped early");
            }
        } catch (NetBenchException e) {
            progress.println("gatun: " + e.getMessage());
            return Gatun.FAILED;
        }
        if (times.json()) {
            out.println(Json.pretty(Json.MAPPER.valueToTree(result.toMap())));
        } else {
            print(out, result);
        }
        out.flush();
        return result.faults() == 0 ? Gatun.OK : Gatun.FAILED;
    }

    private NetBenchOptions options() {
        if (socket == null) {
            throw new UsageException("--socket is missing: expected the path of a vhost-user-net server");
        }
        try {
            long bytes = BenchArguments.size("--size", size);
            return NetBenchOptions.of(socket)
                    .withListen(listen)
                    .withMode(Mode.of(mode), (int) Math.min(bytes, Integer.MAX_VALUE), verify)
                    .withRings(queues, packed, inOrder, !notMergeable)
                    .withWindow(window)
                    .withTimes(times.time(), times.ramp(), Duration.ofSeconds(10))
                    .withPatience(BenchArguments.duration("--patience", patience))
                    .withPlaces(times.cores(), BenchArguments.hugepages(hugepages));
        } catch (IllegalArgumentException e) {
            throw new UsageException("bench net: " + e.getMessage());
        }
    }

    private static void print(PrintWriter out, NetBenchResult result) {
        NetBenchOptions options = result.options();
        out.println(String.format(
                Locale.ROOT,
                "%s size=%d queues=%d %s: tx %.3f Mpps, rx %.3f Mpps",
                options.mode().label(),
                options.sizeBytes(),
                options.queues(),
                options.packed() ? "packed" : "split",
                result.sentPerSecond() / 1e6,
                result.receivedPerSecond() / 1e6));
        if (options.mode() == Mode.ECHO) {
            out.println(String.format(
                    Locale.ROOT,
                    "round trip us: avg %.1f, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f; lost %,d of %,d",
                    result.latency().average(),
                    result.latency().p50(),
                    result.latency().p99(),
                    result.latency().p999(),
                    result.latency().max(),
                    result.lost(),
                    result.sent()));
        }
        if (options.verify()) {
            out.println(String.format(
                    Locale.ROOT, "verified %,d packets, %,d faults", result.verified(), result.faults()));
        }
        result.firstFaults().forEach(out::println);
    }
}
