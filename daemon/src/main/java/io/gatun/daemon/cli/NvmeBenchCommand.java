package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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

    @Mixin
    private BlkLoad load;

    @Option(names = "--namespace", paramLabel = "N", defaultValue = "1", description = "Which namespace (1).")
    private int namespace;

    @Option(names = "--overwrite", description = "What is on the drive may be destroyed: for writes and --verify.")
    private boolean overwrite;

    @Override
    public Integer call() {
        BlkBenchOptions options = load.options("nvme bench", BlkBenchOptions.of(Device.BDEV));
        if (!overwrite && (options.verify() || options.readPercent() < 100)) {
            throw new UsageException("nvme bench --rw " + options.mode().label() + (options.verify() ? " --verify" : "")
                    + ": it destroys what is on the drive; add --overwrite if that is meant, or use --rw randread");
        }
        NvmeOptions driver = NvmeOptions.DEFAULTS.withIoQueues(options.queues());
        return address.use(driver, controller -> measure(controller, options));
    }

    private int measure(NvmeController controller, BlkBenchOptions options) {
        try (NvmeDrive drive = new NvmeDrive("nvme", controller)) {
            NvmeBdev bdev = drive.bdevs().stream()
                    .filter(b -> b.namespace().id() == namespace)
                    .findFirst()
                    .orElseThrow(() -> new UsageException("--namespace " + namespace + ": the drive has "
                            + drive.bdevs().stream().map(b -> b.namespace().id()).toList()));
            return load.run(new BlkBench(options, bdev, controller.memory(), controller.ioQueueLimit()));
        }
    }
}
