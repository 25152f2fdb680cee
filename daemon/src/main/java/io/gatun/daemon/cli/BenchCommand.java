package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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

        @Mixin
        private BlkLoad load;

        @Option(names = "--packed", description = "Packed rings.")
        private boolean packed;

        @Option(names = "--hugepages", paramLabel = "WHEN", defaultValue = "auto",
                description = "auto, always or never (auto).")
        private String hugepages;

        @Override
        public Integer call() {
            BlkBenchOptions.Builder options =
                    builder().packed(packed).hugepages(BenchArguments.hugepages(hugepages));
            return load.run(new BlkBench(load.options("bench blk", options)));
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
    }
}
