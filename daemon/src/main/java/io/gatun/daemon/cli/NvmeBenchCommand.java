package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun nvme bench}: a drive by itself, without a virtual machine or a socket. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Measures a drive: requests per second, bandwidth, latencies.",
        footer = {
            "",
            "Examples:",
            "  gatun nvme bench 0000:00:04.0 --rw randread --bs 4k --qd 32 --time 5",
            "  gatun nvme bench 0000:00:04.0 --rw randrw --verify --overwrite       destroys what is on the drive",
        })
final class NvmeBenchCommand implements Callable<Integer> {
    @Mixin
    private NvmeAddress address;

    @Option(names = "--namespace", paramLabel = "N", defaultValue = "1", description = "Which namespace (1).")
    private int namespace;

    @Option(names = "--rw", paramLabel = "MODE", defaultValue = "randread",
            description = "randread, randwrite, read, write or randrw (randread).")
    private String mode;

    @Option(names = "--bs", paramLabel = "SIZE", defaultValue = "4k", description = "Bytes per request, up to 4M (4k).")
    private String blockSize;

    @Option(names = "--qd", paramLabel = "N", defaultValue = "32",
            description = "Requests in flight on each queue (32).")
    private int queueDepth;

    @Option(names = "--queues", paramLabel = "N", defaultValue = "1",
            description = "Queue pairs, one thread each (1).")
    private int queues;

    @Option(names = "--time", paramLabel = "SECONDS", defaultValue = "5", description = "How long to measure (5).")
    private double seconds;

    @Option(names = "--ramp", paramLabel = "SECONDS", defaultValue = "1",
            description = "How long to run before measuring (1).")
    private double rampSeconds;

    @Option(names = {"--core", "--cores"}, paramLabel = "LIST", description = "Processors to pin the threads to.")
    private String cores;

    @Option(names = "--span", paramLabel = "SIZE", description = "Use only this much of the namespace.")
    private String span;

    @Option(names = "--verify", description = "Stamp every block and check what is read. Needs --overwrite.")
    private boolean verify;

    @Option(names = "--overwrite", description = "What is on the drive may be destroyed.")
    private boolean overwrite;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        BlkBenchOptions options = options();
        if (!overwrite && (verify || options.readPercent() < 100)) {
            throw new UsageException("nvme bench --rw " + mode + (verify ? " --verify" : "")
                    + ": it destroys what is on the drive; add --overwrite if that is meant, or use --rw randread");
        }
        NvmeOptions driver = NvmeOptions.DEFAULTS.withIoQueues(options.queues());
        try (NvmeDrive drive = new NvmeDrive("nvme", address.attach(driver))) {
            NvmeController controller = drive.controller();
            NvmeBdev bdev = drive.bdevs().stream()
                    .filter(b -> b.namespace().id() == namespace)
                    .findFirst()
                    .orElseThrow(() -> new UsageException("--namespace " + namespace + ": the drive has "
                            + drive.bdevs().stream().map(b -> b.namespace().id()).toList()));
            BlkBench bench = new BlkBench(options, bdev, controller.memory(), controller.ioQueueLimit());
            return BenchCommand.Blk.run(bench, spec, json);
        }
    }

    private BlkBenchOptions options() {
        try {
            BlkBenchOptions.Builder options = BlkBenchOptions.of(Device.BDEV)
                    .mode(Mode.of(mode))
                    .blockSizeBytes((int) Math.min(BenchCommand.Blk.size("--bs", blockSize), Integer.MAX_VALUE))
                    .queueDepth(queueDepth)
                    .queues(queues)
                    .time(BenchCommand.Blk.duration("--time", seconds))
                    .ramp(BenchCommand.Blk.duration("--ramp", rampSeconds))
                    .verify(verify)
                    .cores(CoreList.parse("--core", cores));
            if (span != null) {
                options.spanBytes(BenchCommand.Blk.size("--span", span));
            }
            return options.build();
        } catch (IllegalArgumentException e) {
            throw new UsageException("nvme bench: " + e.getMessage());
        }
    }
}
