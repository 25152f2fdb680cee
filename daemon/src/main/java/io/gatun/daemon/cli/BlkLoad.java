package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchException;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.daemon.bench.BlkBenchResult;
import io.gatun.daemon.rpc.Json;
import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What the commands that measure disks have in common: the load, the run, and how its result is shown. */
final class BlkLoad {
    @Option(names = "--rw", paramLabel = "MODE", defaultValue = "randread",
            description = "randread, randwrite, read, write or randrw (randread).")
    private String mode;

    @Option(names = "--rwmixread", paramLabel = "PERCENT", description = "Share of reads in randrw (50).")
    private Integer readPercent;

    @Option(names = "--bs", paramLabel = "SIZE", defaultValue = "4k",
            description = "Bytes per request, up to 4M where the disk takes as much at once (4k).")
    private String blockSize;

    @Option(names = "--qd", paramLabel = "N", defaultValue = "32",
            description = "Requests in flight on each queue (32).")
    private int queueDepth;

    @Option(names = "--queues", paramLabel = "N", defaultValue = "1",
            description = "Queues, one thread each (1).")
    private int queues;

    @Mixin
    private BenchTimes times;

    @Option(names = "--verify", description = "Stamp every block and check what is read; overwrites the disk.")
    private boolean verify;

    @Option(names = "--span", paramLabel = "SIZE", description = "Use only this much of the disk.")
    private String span;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    /** The options of a run; {@code command} is what messages call it. */
    BlkBenchOptions options(String command, BlkBenchOptions.Builder options) {
        try {
            options.mode(Mode.of(mode))
                    .blockSizeBytes((int) Math.min(BenchArguments.size("--bs", blockSize), Integer.MAX_VALUE))
                    .queueDepth(queueDepth)
                    .queues(queues)
                    .time(times.time())
                    .ramp(times.ramp())
                    .verify(verify)
                    .cores(times.cores());
            if (readPercent != null) {
                options.readPercent(readPercent);
            }
            if (span != null) {
                options.spanBytes(BenchArguments.size("--span", span));
            }
            return options.build();
        } catch (IllegalArgumentException e) {
            throw new UsageException(command + ": " + e.getMessage());
        }
    }

    /** Runs until the end or Ctrl-C, with a line a second, prints what was measured, and returns the exit code. */
    int run(BlkBench bench) {
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
        if (times.json()) {
            out.println(Json.pretty(Json.MAPPER.valueToTree(result.toMap())));
        } else {
            print(out, result);
        }
        out.flush();
        return result.mismatches() == 0 ? Gatun.OK : Gatun.FAILED;
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
