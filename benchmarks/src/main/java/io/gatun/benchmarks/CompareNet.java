package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Measures Gatun and testpmd's {@code net_vhost} behind the same client, testpmd's {@code net_virtio_user}, in pairs
 * that alternate, and reports best-of and the median of the pairs' ratios.
 *
 * <p>Server and client each have a core to themselves. A pair is one run against the peer and, right after it, one
 * against Gatun: machines are noisy and sometimes change their speed for minutes, and a ratio within a pair survives
 * that.
 */
@Command(
        name = "compare-net",
        mixinStandardHelpOptions = true,
        description = "Gatun against DPDK's net_vhost: packets a second, the same client, in alternating pairs.")
public final class CompareNet implements Callable<Integer> {
    private static final String PEER = "net_vhost";

    @Option(names = "--pairs", defaultValue = "5", description = "pairs of runs for a row (default: ${DEFAULT-VALUE})")
    private int pairs;

    @Option(names = "--time", defaultValue = "3", description = "seconds measured of a run (default: ${DEFAULT-VALUE})")
    private int seconds;

    @Option(names = "--warm-up", defaultValue = "4", description = "seconds before that (default: ${DEFAULT-VALUE})")
    private int warmUp;

    @Option(names = "--server-core", defaultValue = "0", description = "the server's core (default: ${DEFAULT-VALUE})")
    private int serverCore;

    @Option(names = "--client-core", defaultValue = "1", description = "the client's core (default: ${DEFAULT-VALUE})")
    private int clientCore;

    @Option(
            names = "--sizes",
            split = ",",
            defaultValue = "64",
            description = "packet sizes in bytes (default: ${DEFAULT-VALUE})")
    private List<Integer> sizes;

    @Option(names = "--only", description = "only the rows whose name contains this text, such as 'echo, packed'")
    private String only = "";

    @Option(
            names = "--exchange",
            defaultValue = "loop",
            description = "what Gatun has between two ports, loop or switch (default: ${DEFAULT-VALUE})")
    private String exchange;

    @Option(names = "--gatun", defaultValue = "./gatun", description = "the program (default: ${DEFAULT-VALUE})")
    private Path gatun;

    @Option(names = "--testpmd", description = "the peer (default: where .ci/install-peers puts it, or on the path)")
    private Path testpmd;

    @Option(names = "--svg", description = "also draw the result into this file")
    private Path svg;

    private Path folder;

    /** Runs the comparison; exits with 0 if every row reached its target, 1 if not. */
    public static void main(String[] arguments) {
        System.exit(new CommandLine(new CompareNet()).execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        if (testpmd == null) {
            testpmd = findTestpmd();
        }
        folder = Files.createTempDirectory("gatun-net");
        List<Series> results = new ArrayList<>();
        for (NetCell cell : NetCell.table(sizes)) {
            if (cell.name().contains(only)) {
                results.add(measure(cell));
            }
        }
        print(results);
        if (svg != null) {
            Files.writeString(svg, BarChart.draw("Packets, one queue pair, one core", "packets a second", results));
        }
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
        return results.stream().allMatch(series -> series.medianRatio() >= series.target()) ? 0 : 1;
    }

    private static Path findTestpmd() {
        String lab = System.getenv("GATUN_LAB");
        Path base = lab != null ? Path.of(lab) : Path.of(System.getProperty("user.home"), ".cache/gatun/lab");
        Path unpacked = base.resolve("dpdk/dpdk-testpmd");
        return Files.isExecutable(unpacked) ? unpacked : Path.of("dpdk-testpmd");
    }

    private Series measure(NetCell cell) throws IOException, InterruptedException {
        NetServers servers = new NetServers(gatun, testpmd, serverCore, exchange, folder);
        List<Double> peer = new ArrayList<>();
        List<Double> own = new ArrayList<>();
        for (int pair = 0; pair < pairs; pair++) {
            try (ServerProcess server = servers.testpmd(cell)) {
                peer.add(client(cell, server));
            }
            try (ServerProcess server = servers.gatun(cell)) {
                own.add(client(cell, server));
            }
            System.err.printf(
                    Locale.ROOT,
                    "%-48s pair %d: peer %s, Gatun %s%n",
                    cell.name(),
                    pair + 1,
                    Rate.text(peer.getLast()),
                    Rate.text(own.getLast()));
        }
        return new Series(cell.name(), PEER, cell.direction().target, peer, own, List.of());
    }

    private double client(NetCell cell, ServerProcess server) throws IOException, InterruptedException {
        return TestpmdClient.measure(
                testpmd, clientCore, cell, server, warmUp, seconds, folder.resolve("client.log"));
    }

    private static void print(List<Series> results) {
        System.out.printf(
                "%-48s %12s %12s %12s %12s %8s %8s %8s%n",
                "packets a second", "peer best", "Gatun best", "peer median", "Gatun", "ratio", "best", "target");
        for (Series row : results) {
            System.out.printf(
                    Locale.ROOT,
                    "%-48s %12s %12s %12s %12s %7.2fx %7.2fx %7.2fx  %s%n",
                    row.name(),
                    Rate.text(Series.best(row.peer())),
                    Rate.text(Series.best(row.gatun())),
                    Rate.text(row.medianPeer()),
                    Rate.text(row.medianGatun()),
                    row.medianRatio(),
                    row.bestRatio(),
                    row.target(),
                    row.medianRatio() >= row.target() ? "reached" : "missed");
        }
    }
}
