package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.daemon.bench.BlkBenchResult;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code gatun demo}: everything at once, in one process and one temporary directory: a daemon with a RAM disk and a
 * file disk, a client that reads and writes them and checks what it reads, two ends that talk through a switch, and the
 * live table. Where QEMU and a guest's kernel are at hand, Linux guests as well.
 */
@Command(
        name = "demo",
        mixinStandardHelpOptions = true,
        description = "Shows a daemon, disks, a switch, clients and the live table; needs neither root nor hugepages.")
final class DemoCommand implements Callable<Integer> {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int FILE_BYTES = 64 << 20;

    @Option(names = "--time", paramLabel = "SECONDS", defaultValue = "3", description = "How long each part runs (3).")
    private int seconds;

    @Spec
    private CommandSpec spec;

    private PrintWriter out;

    @Override
    public Integer call() throws IOException {
        if (seconds < 1 || seconds > 600) {
            throw new UsageException("--time " + seconds + ": expected 1 to 600 seconds");
        }
        out = spec.commandLine().getOut();
        Path directory = Files.createTempDirectory("gatun-demo");
        Path image = directory.resolve("disk.img");
        try {
            Files.write(image, new byte[FILE_BYTES]);
            return demonstrate(directory, image);
        } finally {
            Files.deleteIfExists(image);
            Files.delete(directory);
        }
    }

    private int demonstrate(Path directory, Path image) {
        Path rpc = directory.resolve("rpc.sock");
        String ram = directory + "/ram.sock";
        String file = directory + "/file.sock";
        List<String> arguments = new ArrayList<>(List.of(
            "serve", "--rpc", rpc.toString(), "--log-level", "warn",
            "--bdev", "malloc:ram,size=256M", "--vhost-blk", ram + ",bdev=ram",
            "--bdev", "file:file,path=" + image, "--vhost-blk", file + ",bdev=file"));
        for (String option : DemoSwitch.OPTIONS) {
            arguments.add(option.replace("DIRECTORY", directory.toString()));
        }
        say("A daemon, in this process. By hand it would be:");
        say("  gatun " + String.join(" ", arguments));
        Daemon daemon = ServeCommand.parse(arguments.toArray(String[]::new)).start();
        Thread served = Thread.ofPlatform().name("gatun-rpc").start(daemon::serve);
        boolean good = true;
        try (JsonRpcClient client = JsonRpcClient.connect(rpc, PATIENCE)) {
            good &= run("4 KiB random reads of the RAM disk, split ring, 32 in flight", client,
                    BlkBenchOptions.of(Path.of(ram)).mode(Mode.RANDREAD));
            good &= run("The same on a packed ring, reads and writes, every block verified", client,
                    BlkBenchOptions.of(Path.of(ram)).mode(Mode.RANDRW).packed(true).verify(true));
            good &= run("The file disk through io_uring, reads and writes, every block verified", client,
                    BlkBenchOptions.of(Path.of(file)).mode(Mode.RANDRW).verify(true).spanBytes(FILE_BYTES));
            say("");
            good &= new DemoSwitch(out, client).run(directory, seconds);
            say("");
            DemoGuests guests = new DemoGuests(out, client);
            good &= guests.useDisk(Path.of(ram));
            say("");
            good &= guests.talk(directory);
        } finally {
            daemon.stop();
            join(served);
        }
        say(good ? "That was the demo. Next: gatun serve --help" : "The demo found something wrong; see above.");
        return good ? Gatun.OK : Gatun.FAILED;
    }

    private boolean run(String title, JsonRpcClient client, BlkBenchOptions.Builder options) {
        say("");
        say("== " + title);
        BlkBench bench = new BlkBench(options.time(Duration.ofSeconds(seconds))
                .ramp(Duration.ofSeconds(1))
                .queueDepth(32)
                .build());
        CompletableFuture<BlkBenchResult> running =
                CompletableFuture.supplyAsync(() -> bench.run((_, _, _, _) -> {}));
        Rates rates = new Rates();
        boolean terminal = TopCommand.isTerminal();
        for (int second = 0; second <= seconds && !running.isDone(); second++) {
            if (Interrupt.sleep(1000)) {
                bench.stop();
                break;
            }
            // The first second is the ramp. A terminal shows every table, in place; a log only the last.
            if (second == 0) {
                rates.table(client);
            } else if (terminal) {
                TopCommand.show(out, rates, client, true);
            }
        }
        if (!terminal) {
            TopCommand.show(out, rates, client, false);
        }
        try {
            BlkBenchResult result = running.join();
            BlkLoad.print(out, result);
            return result.mismatches() == 0;
        } catch (CompletionException e) {
            say("gatun: " + e.getCause().getMessage());
            return false;
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void say(String line) {
        out.println(line);
        out.flush();
    }
}
