package io.gatun.daemon.cli;

import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Option;

/** What every command that measures is given: for how long, on which processors, and how to tell the result. */
final class BenchTimes {
    @Option(names = "--time", paramLabel = "SECONDS", defaultValue = "5", description = "How long to measure (5).")
    private double seconds;

    @Option(names = "--ramp", paramLabel = "SECONDS", defaultValue = "1",
            description = "How long to run before measuring (1).")
    private double rampSeconds;

    @Option(names = {"--core", "--cores"}, paramLabel = "LIST",
            description = "Processors to pin the queues' threads to.")
    private String cores;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    Duration time() {
        return BenchArguments.duration("--time", seconds);
    }

    Duration ramp() {
        return BenchArguments.duration("--ramp", rampSeconds);
    }

    List<Integer> cores() {
        return CoreList.parse("--core", cores);
    }

    boolean json() {
        return json;
    }
}
