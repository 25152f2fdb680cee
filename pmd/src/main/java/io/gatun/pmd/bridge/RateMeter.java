package io.gatun.pmd.bridge;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Lets in so many units per second and says of the rest that it is too much: a token bucket, kept as the time at which
 * it will be full again.
 *
 * <p>The bucket holds {@value #DEPTH_NANOS} nanoseconds of the rate. What it lets in may overdraw it by one item, so
 * that an item larger than the bucket passes where the rate allows it.
 *
 * <p><b>Thread-safety:</b> any thread; a port's queues share its meters. One compare-and-set per burst.
 */
final class RateMeter {
    /** Long enough for the bursts of a TCP sender at ordinary rates, short enough not to be noticed behind the port. */
    static final long DEPTH_NANOS = 20_000_000;

    private static final double SECOND_NANOS = 1e9;

    private final double nanosPerUnit;
    private final AtomicLong fullAt;

    /** {@code perSecond} is at least 1. */
    RateMeter(long perSecond, long now) {
        nanosPerUnit = SECOND_NANOS / perSecond;
        fullAt = new AtomicLong(now);
    }

    /**
     * Takes the first of {@code count} items as long as there are tokens, and returns how many those are.
     *
     * @param units of each item; null if each has one
     */
    int take(int[] units, int count, long now) {
        while (true) {
            long before = fullAt.get();
            double ahead = Math.max(0, before - now);
            int taken = 0;
            while (taken < count && ahead < DEPTH_NANOS) {
                ahead += units == null ? nanosPerUnit : units[taken] * nanosPerUnit;
                taken++;
            }
            if (taken == 0 || fullAt.compareAndSet(before, now + (long) ahead)) {
                return taken;
            }
        }
    }
}
