package io.gatun.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Measures Gatun and qemu-storage-daemon behind the same client, in pairs that alternate, and reports medians and
 * ratios.
 *
 * <p>Server and client each have a core to themselves. A pair is one run against the peer and, right after it, one
 * against Gatun: machines are noisy and sometimes change their speed for minutes, and a ratio within a pair survives
 * that.
 */
@Command(
        name = "compare-blk",
        mixinStandardHelpOptions = true,
        description = "Gatun against qemu-storage-daemon: 4 KiB random reads, the same client, in alternating pairs.")
public final class CompareBlk implements Callable<Integer> {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int FILL_SECONDS = 8;
    private static final String PEER = "qemu-storage-daemon";

    @Mixin
    private CompareOptions options;

    @Option(names = "--only", description = "only the rows whose name contains this text")
    private String only = "";

    private Path folder;

    /** One row: what is served on either side, and what the client asks. */
    private record Row(String name, String peerBlockdev, String gatunBdev, int queueDepth, double target) {}

    /** Runs the comparison; exits with 0 if every row reached its target, 1 if not. */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new CompareBlk()).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        folder = Files.createTempDirectory(Path.of("/dev/shm"), "gatun-compare");
        try {
            return compare();
        } finally {
            CompareOptions.delete(folder);
        }
    }

    private int compare() throws IOException, InterruptedException {
        Path image = folder.resolve("disk.img");
        List<Row> rows = new ArrayList<>();
        String none = "driver=null-co,node-name=b,size=1073741824,read-zeroes=off";
        rows.add(new Row("null, queue depth 1", none, "null:b,size=1G", 1, 3.8));
        rows.add(new Row("null, queue depth 32", none, "null:b,size=1G", 32, 2.6));
        rows.add(new Row(
                "file on tmpfs, queue depth 32",
                "driver=file,node-name=b,aio=io_uring,filename=" + image,
                "file:b,path=" + image,
                32,
                1.0));
        List<Series> results = new ArrayList<>();
        for (Row row : rows) {
            if (row.name().contains(only)) {
                if (row.gatunBdev().startsWith("file:")) {
                    fillImage(image);
                }
                results.add(measure(row));
            }
        }
        if ("malloc".contains(only) || only.contains("malloc")) {
            results.add(measureMalloc());
        }
        print(results);
        return options.finish("4 KiB random reads, one queue, one core", "reads a second", results);
    }

    /** A written image: holes in tmpfs would be read without touching memory. */
    private static void fillImage(Path image) throws IOException {
        byte[] block = new byte[1 << 20];
        java.util.Arrays.fill(block, (byte) 0x5a);
        try (var out = Files.newOutputStream(image)) {
            for (int i = 0; i < 1024; i++) {
                out.write(block);
            }
        }
    }

    private Series measure(Row row) throws IOException, InterruptedException {
        List<Double> peer = new ArrayList<>();
        List<Double> own = new ArrayList<>();
        List<Double> latencies = new ArrayList<>();
        for (int pair = 0; pair < options.pairs; pair++) {
            try (BlkServer server = BlkServer.storageDaemon(options.serverCore, row.peerBlockdev(), folder)) {
                peer.add(client(server, row.queueDepth()).path("iops").asDouble());
            }
            try (BlkServer server = BlkServer.gatun(options.gatun, options.serverCore, row.gatunBdev(), folder)) {
                JsonNode result = client(server, row.queueDepth());
                own.add(result.path("iops").asDouble());
                latencies.add(result.path("latency").path("avg_us").asDouble());
            }
            progress(row.name(), pair, peer.getLast(), own.getLast());
        }
        return new Series(row.name(), PEER, row.target(), peer, own, latencies);
    }

    /**
     * The RAM disk is compared with what bounds it: a bare copy from random pages, through the same client, without
     * vhost.
     */
    private Series measureMalloc() throws IOException, InterruptedException {
        List<Double> bare = new ArrayList<>();
        List<Double> own = new ArrayList<>();
        List<Double> latencies = new ArrayList<>();
        for (int pair = 0; pair < options.pairs; pair++) {
            bare.add(run(List.of("--device", "memcpy", "--span", "512M"), 32).path("iops").asDouble());
            try (BlkServer server = BlkServer.gatun(options.gatun, options.serverCore, "malloc:b,size=512M", folder)) {
                // Every page is written before the first is read: pages without memory would be faults, not copies.
                run(List.of("--socket", server.socket().toString(), "--rw", "write", "--bs", "128k"), 32, FILL_SECONDS);
                JsonNode result = client(server, 32);
                own.add(result.path("iops").asDouble());
                latencies.add(result.path("latency").path("avg_us").asDouble());
            }
            progress("malloc, queue depth 32", pair, bare.getLast(), own.getLast());
        }
        return new Series("malloc, queue depth 32", "bare memcpy", 0.95, bare, own, latencies);
    }

    private JsonNode client(BlkServer server, int queueDepth) throws IOException, InterruptedException {
        return run(List.of("--socket", server.socket().toString(), "--rw", "randread", "--bs", "4k"), queueDepth);
    }

    private JsonNode run(List<String> what, int queueDepth) throws IOException, InterruptedException {
        return run(what, queueDepth, options.seconds);
    }

    private JsonNode run(List<String> what, int queueDepth, int time) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(options.gatun.toString(), "bench", "blk"));
        command.addAll(what);
        command.addAll(List.of("--qd", Integer.toString(queueDepth), "--queues", "1", "--json"));
        command.addAll(List.of("--time", Integer.toString(time), "--core", Integer.toString(options.clientCore)));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        byte[] output = process.getInputStream().readAllBytes();
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + " failed with exit code " + process.exitValue());
        }
        return JSON.readTree(output);
    }

    private static void progress(String row, int pair, double peer, double own) {
        System.err.printf(
                Locale.ROOT, "%-32s pair %d: peer %s, Gatun %s%n", row, pair + 1, Rate.text(peer), Rate.text(own));
    }

    private static void print(List<Series> results) {
        System.out.printf(
                "%-32s %-20s %12s %12s %8s %8s %8s %9s%n",
                "4 KiB random read", "peer", "peer median", "Gatun", "ratio", "best", "target", "avg µs");
        for (Series row : results) {
            System.out.printf(
                    Locale.ROOT,
                    "%-32s %-20s %12s %12s %7.2fx %7.2fx %7.2fx %9.2f  %s%n",
                    row.name(),
                    row.peerName(),
                    Rate.text(row.medianPeer()),
                    Rate.text(row.medianGatun()),
                    row.medianRatio(),
                    row.bestRatio(),
                    row.target(),
                    Series.median(row.latencies().stream().mapToDouble(Double::doubleValue).toArray()),
                    row.medianRatio() >= row.target() ? "reached" : "missed");
        }
    }
}
