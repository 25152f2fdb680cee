package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchException;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.daemon.bench.BlkBenchResult;
import io.gatun.daemon.rpc.Json;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code gatun bench}: measures devices from the side of a guest. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        subcommands = {BenchCommand.Blk.class, BenchNetCommand.class},
        description = "Measures a vhost-user device with a client of our own.")
final class BenchCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "bench what? One of: blk, net");
    }

    /** {@code gatun bench blk}. */
    @Command(
            name = "blk",
            mixinStandardHelpOptions = true,
            description = "Measures any vhost-user-blk server: requests per second, bandwidth, latencies.",
            footer = {
                "",
                "Examples:",
                "  gatun bench blk --socket /tmp/m0.sock --rw randread --bs 4k --qd 32 --time 5",
                "  gatun bench blk --socket /tmp/m0.sock --rw randrw --bs 4k --qd 32 --queues 2 --packed --verify",
                "  gatun bench blk --device memcpy      the client's own ceiling: copies without a device",
                "",
                "--rw with writes, and --verify, overwrite the disk."
            })
    static final class Blk implements Callable<Integer> {
        @Option(names = "--socket", paramLabel = "PATH", description = "Where the server listens.")
        private Path socket;

        @Option(
                names = "--device",
                paramLabel = "DEVICE",
                description = "Instead of a server: memcpy or nothing, the client's own ceilings.")
        private String device;

        @Option(names = "--rw", paramLabel = "MODE", defaultValue = "randread",
                description = "randread, randwrite, read, write or randrw (randread).")
        private String mode;

        @Option(names = "--rwmixread", paramLabel = "PERCENT", description = "Share of reads in randrw (50).")
        private Integer readPercent;

        @Option(names = "--bs", paramLabel = "SIZE", defaultValue = "4k",
                description = "Bytes per request, up to 4M where the server takes as much at once (4k).")
        private String blockSize;

        @Option(names = "--qd", paramLabel = "N", defaultValue = "32",
                description = "Requests in flight on each queue (32).")
        private int queueDepth;

        @Option(names = "--queues", paramLabel = "N", defaultValue = "1",
                description = "Queues, one thread each (1).")
        private int queues;

        @Option(names = "--time", paramLabel = "SECONDS", defaultValue = "5", description = "How long to measure (5).")
        private double seconds;

        @Option(names = "--ramp", paramLabel = "SECONDS", defaultValue = "1",
                description = "How long to run before measuring (1).")
        private double rampSeconds;

        @Option(names = "--packed", description = "Packed rings.")
        private boolean packed;

        @Option(names = "--verify", description = "Stamp every block and check what is read; overwrites the disk.")
        private boolean verify;

        @Option(names = {"--core", "--cores"}, paramLabel = "LIST",
                description = "Processors to pin the queues' threads to.")
        private String cores;

        @Option(names = "--span", paramLabel = "SIZE", description = "Use only this much of the disk.")
        private String span;

        @Option(names = "--hugepages", paramLabel = "WHEN", defaultValue = "auto",
                description = "auto, always or never (auto).")
        private String hugepages;

        @Option(names = "--json", description = "Print the result as JSON.")
        private boolean json;

        @Spec
        private CommandSpec spec;

        @Override
        public Integer call() {
            return run(new BlkBench(options()), spec, json);
        }

        /** Runs until the end or Ctrl-C, with a line a second, prints what was measured, and returns the exit code. */
        static int run(BlkBench bench, CommandSpec spec, boolean json) {
            PrintWriter out = spec.commandLine().getOut();
            PrintWriter progress = spec.commandLine().getErr();
            BlkBenchResult result;
            try (Interrupt ctrlC = new Interrupt(bench::stop)) {
                result = bench.run((second, _, iops, gigabytes) -> {
                    progress.println(String.format(
                            Locale.ROOT, "%4d s  %,12.0f IOPS  %7.3f GB/s", second, iops, gigabytes));
                    progress.flush();
                });
                if (ctrlC.happened()) {
                    progress.println("gatun: stopped early");
                }
            } catch (BlkBenchException e) {
                progress.println("gatun: " + e.getMessage());
                return Gatun.FAILED;
            }
            if (json) {
                out.println(Json.pretty(Json.MAPPER.valueToTree(result.toMap())));
            } else {
                print(out, result);
            }
            out.flush();
            return result.mismatches() == 0 ? Gatun.OK : Gatun.FAILED;
        }

        private BlkBenchOptions options() {
            try {
                BlkBenchOptions.Builder options = builder()
                        .mode(Mode.of(mode))
                        .blockSizeBytes((int) Math.min(size("--bs", blockSize), Integer.MAX_VALUE))
                        .queueDepth(queueDepth)
                        .queues(queues)
                        .time(duration("--time", seconds))
                        .ramp(duration("--ramp", rampSeconds))
                        .packed(packed)
                        .verify(verify)
                        .cores(CoreList.parse("--core", cores))
                        .hugepages(hugepages());
                if (readPercent != null) {
                    options.readPercent(readPercent);
                }
                if (span != null) {
                    options.spanBytes(size("--span", span));
                }
                return options.build();
            } catch (IllegalArgumentException e) {
                throw new UsageException("bench blk: " + e.getMessage());
            }
        }

        private BlkBenchOptions.Builder builder() {
            if (device == null) {
                if (socket == null) {
                    throw new UsageException("--socket is missing: expected the path of a vhost-user-blk server");
                }
                return BlkBenchOptions.of(socket);
            }
            return switch (device) {
                case "memcpy" -> BlkBenchOptions.of(Device.MEMCPY);
                case "nothing" -> BlkBenchOptions.of(Device.NOTHING);
                default -> throw new UsageException("--device " + device + ": expected memcpy or nothing");
            };
        }

        private Hugepages hugepages() {
            return hugepages(hugepages);
        }

        static Hugepages hugepages(String when) {
            return switch (when) {
                case "auto" -> Hugepages.AUTO;
                case "always" -> Hugepages.ALWAYS;
                case "never" -> Hugepages.NEVER;
                default -> throw new UsageException("--hugepages " + when + ": expected auto, always or never");
            };
        }

        static long size(String option, String text) {
            try {
                return Sizes.parse(text);
            } catch (NumberFormatException e) {
                throw new UsageException(option + " " + text + ": expected " + Sizes.ACCEPTED);
            }
        }

        static Duration duration(String option, double seconds) {
            if (!(seconds >= 0) || seconds > 86_400) {
                throw new UsageException(option + " " + seconds + ": expected 0 to 86400 seconds");
            }
            return Duration.ofNanos((long) (seconds * 1e9));
        }

        static void print(PrintWriter out, BlkBenchResult result) {
            BlkBenchOptions options = result.options();
            BlkBenchResult.Latency latency = result.latency();
            out.println(String.format(
                    Locale.ROOT,
                    "%s bs=%s qd=%d queues=%d%s: %,.0f IOPS, %.3f GB/s",
                    options.mode().label(),
                    Sizes.format(options.blockSizeBytes()),
                    options.queueDepth(),
                    options.queues(),
                    options.device() == Device.BDEV ? "" : options.packed() ? " packed" : " split",
                    result.iops(),
                    result.gigabytesPerSecond()));
            out.println(String.format(
                    Locale.ROOT,
                    "latency us: avg %.1f, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f",
                    latency.average(),
                    latency.p50(),
                    latency.p99(),
                    latency.p999(),
                    latency.max()));
            if (options.verify()) {
                out.println(String.format(
                        Locale.ROOT,
                        "verified %,d blocks, %,d mismatches",
                        result.verifiedBlocks(),
                        result.mismatches()));
                result.firstMismatches().forEach(out::println);
            }
        }
    }
}
