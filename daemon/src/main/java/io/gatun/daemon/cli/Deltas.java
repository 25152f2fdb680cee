package io.gatun.daemon.cli;

import java.util.HashMap;
import java.util.Map;

/** What counters were at the last look, and hence how fast they grow. */
final class Deltas {
    private final Map<String, long[]> before = new HashMap<>();
    private long lookNanos;
    private double seconds = Double.POSITIVE_INFINITY;

    /** Begins a new look, at this moment. */
    void look() {
        long now = System.nanoTime();
        seconds = lookNanos == 0 ? Double.POSITIVE_INFINITY : (now - lookNanos) / 1e9;
        lookNanos = now;
    }

    /** How much these counters of {@code what} have grown per second since the last look; 0 at the first one. */
    double[] rates(String what, long... counters) {
        long[] old = before.put(what, counters);
        double[] rates = new double[counters.length];
        for (int i = 0; i < counters.length; i++) {
            // What was reset, or is new, has no past to compare with.
            rates[i] = old == null || counters[i] < old[i] ? 0 : (counters[i] - old[i]) / seconds;
        }
        return rates;
    }
}
