package io.gatun.daemon.cli;

import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import java.time.Duration;

/** What is given to commands that measure, understood; {@link UsageException} says what would have been. */
final class BenchArguments {
    private BenchArguments() {}

    static Hugepages hugepages(String when) {
        return switch (when) {
            case "auto" -> Hugepages.AUTO;
            case "always" -> Hugepages.ALWAYS;
            case "never" -> Hugepages.NEVER;
            default -> throw new UsageException("--hugepages " + when + ": expected auto, always or never");
        };
    }

    static long size(String option, String text) {
        try {
            return Sizes.parse(text);
        } catch (NumberFormatException e) {
            throw new UsageException(option + " " + text + ": expected " + Sizes.ACCEPTED);
        }
    }

    static Duration duration(String option, double seconds) {
        if (!(seconds >= 0) || seconds > 86_400) {
            throw new UsageException(option + " " + seconds + ": expected 0 to 86400 seconds");
        }
        return Duration.ofNanos((long) (seconds * 1e9));
    }
}
