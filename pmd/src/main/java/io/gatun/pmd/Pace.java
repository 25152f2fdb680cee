package io.gatun.pmd;

/**
 * How many packets are due now, at a steady rate; what was missed is made up for by at most one full burst.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
public final class Pace {
    private final double perNano;
    private long last;
    private double due;

    /** @param packetsPerSecond 0 for no limit */
    public Pace(long packetsPerSecond) {
        perNano = packetsPerSecond / 1e9;
    }

    /** How many packets, at most {@link Burst#CAPACITY}, are to be moved at a time of {@link System#nanoTime}. */
    public int take(long now) {
        if (perNano == 0) {
            return Burst.CAPACITY;
        }
        if (last != 0) {
            due = Math.min(due + (now - last) * perNano, Burst.CAPACITY);
        }
        last = now;
        int count = (int) due;
        due -= count;
        return count;
    }
}
