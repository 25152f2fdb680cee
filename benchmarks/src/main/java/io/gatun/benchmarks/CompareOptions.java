package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** What every comparison is given: how often, how long and where to run which program, and what to do with the rows. */
final class CompareOptions {
    @Option(names = "--pairs", defaultValue = "5", description = "pairs of runs for a row (default: ${DEFAULT-VALUE})")
    int pairs;

    @Option(names = "--time", defaultValue = "3", description = "seconds measured of a run (default: ${DEFAULT-VALUE})")
    int seconds;

    @Option(names = "--server-core", defaultValue = "0", description = "the server's core (default: ${DEFAULT-VALUE})")
    int serverCore;

    @Option(names = "--client-core", defaultValue = "1", description = "the client's core (default: ${DEFAULT-VALUE})")
    int clientCore;

    @Option(names = "--gatun", defaultValue = "./gatun", description = "the program (default: ${DEFAULT-VALUE})")
    Path gatun;

    @Option(names = "--svg", description = "also draw the rows into this file")
    private Path svg;

    /** Draws the rows where that is wanted; returns the exit code: 0 if every row reached its target, 1 if not. */
    int finish(String title, String unit, List<Series> rows) throws IOException {
        if (svg != null) {
            Files.writeString(svg, BarChart.draw(title, unit, rows));
        }
        return rows.stream().allMatch(row -> row.medianRatio() >= row.target()) ? 0 : 1;
    }

    /** Deletes a folder with the files in it. */
    static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
