package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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
        usageHelpWidth = 100,
        mixinStandardHelpOptions = true,
        description = {
            "Gatun against DPDK's net_vhost behind the same client, testpmd, in pairs of runs that alternate.",
            "",
            "A row is a direction, the client's rings and a packet size. For each it prints both servers' best and "
                    + "median rate in packets a second, the median of the pairs' ratios, and best over best. "
                    + "The exit code is 0 if every row's median ratio reached its target, 1 if not.",
            ""
        },
        footer = {
            "",
            "A row takes pairs x 2 x (warm-up + time + some 4) seconds. A table that takes longer than the machine "
                    + "is quiet is made in pieces, each with the same --csv, and drawn at the end:",
            "",
            "  benchmarks/compare-net --csv net.csv --only 'guest to host' --only 'host to guest'",
            "  benchmarks/compare-net --csv net.csv --only echo --only 'port to port'",
            "  benchmarks/compare-net --csv net.csv --only 'by the switch' --sizes 1518",
            "  benchmarks/compare-net --csv net.csv --pairs 0 --svg docs/compare-net.svg"
        })
public final class CompareNet implements Callable<Integer> {
    @Mixin
    private CompareOptions options;

    @Option(names = "--warm-up", defaultValue = "4", description = "seconds before that (default: ${DEFAULT-VALUE})")
    private int warmUp;

    @Option(
            names = "--sizes",
            split = ",",
            defaultValue = "64",
            description = "packet sizes in bytes, such as 64,256,1518 (default: ${DEFAULT-VALUE})")
    private List<Integer> sizes;

    @Option(
            names = "--only",
            description = "only the rows whose name contains this text, such as 'echo, packed'; may be repeated")
    private List<String> only = List.of("");

    @Option(
            names = "--exchange",
            defaultValue = "switch",
            description = "what Gatun has between two ports, loop or switch (default: ${DEFAULT-VALUE}); the peer "
                    + "has its loop, testpmd's io")
    private Exchange exchange;

    @Option(names = "--testpmd", description = "the peer (default: where .ci/install-peers puts it, or on the path)")
    private Path testpmd;

    @Option(
            names = "--csv",
            description = "add each pair to this file, and show all that it has, earlier runs' pairs as well, which "
                    + "is all that happens with --pairs 0")
    private Path csv;

    private Path folder;

    private enum Exchange {
        LOOP,
        SWITCH
    }

    /** Runs the comparison; exits with 0 if every row reached its target, 1 if not. */
    public static void main(String[] arguments) {
        CommandLine line = new CommandLine(new CompareNet());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        System.exit(line.execute(arguments));
    }

    @Override
    public Integer call() throws Exception {
        if (testpmd == null) {
            testpmd = findTestpmd();
        }
        NetResults results = new NetResults(csv);
        folder = Files.createTempDirectory("gatun-net");
        try {
            for (NetCell cell : NetCell.table(sizes, exchange == Exchange.SWITCH)) {
                if (only.stream().anyMatch(cell.name()::contains)) {
                    measure(cell, results);
                }
            }
        } finally {
            CompareOptions.delete(folder);
        }
        List<Series> rows = results.rows();
        print(rows);
        return options.finish("Packets, one queue pair, one core", "packets a second", rows);
    }

    private static Path findTestpmd() {
        String lab = System.getenv("GATUN_LAB");
        Path base = lab != null ? Path.of(lab) : Path.of(System.getProperty("user.home"), ".cache/gatun/lab");
        Path unpacked = base.resolve("dpdk/dpdk-testpmd");
        return Files.isExecutable(unpacked) ? unpacked : Path.of("dpdk-testpmd");
    }

    private void measure(NetCell cell, NetResults results) throws IOException, InterruptedException {
        NetServers servers = new NetServers(options.gatun, testpmd, options.serverCore, folder);
        for (int pair = 1; pair <= options.pairs; pair++) {
            double peer;
            double own;
            try (ServerProcess server = servers.testpmd(cell)) {
                peer = client(cell, server);
            }
            try (ServerProcess server = servers.gatun(cell)) {
                own = client(cell, server);
            }
            results.add(cell, peer, own);
            System.err.printf(
                    Locale.ROOT,
                    "%-62s pair %d: peer %s, Gatun %s%n",
                    cell.name(),
                    pair,
                    Rate.text(peer),
                    Rate.text(own));
        }
    }

    private double client(NetCell cell, ServerProcess server) throws IOException, InterruptedException {
        return TestpmdClient.measure(
                testpmd, options.clientCore, cell, server, warmUp, options.seconds, folder.resolve("client.log"));
    }

    private static void print(List<Series> results) {
        System.out.printf(
                "%-62s %5s %12s %12s %12s %12s %8s %8s %8s%n",
                "packets a second",
                "pairs",
                "peer best",
                "Gatun best",
                "peer median",
                "Gatun median",
                "ratio",
                "best",
                "target");
        for (Series row : results) {
            System.out.printf(
                    Locale.ROOT,
                    "%-62s %5d %12s %12s %12s %12s %7.2fx %7.2fx %7.2fx  %s%n",
                    row.name(),
                    row.peer().size(),
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
