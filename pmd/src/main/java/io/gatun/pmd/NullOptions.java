package io.gatun.pmd;

/**
 * How a {@link NullPort} is made.
 *
 * @param queues queue pairs, 1 to 64
 * @param generatedBytes how long each packet is that it receives by itself, 14 to 9216 bytes; 0 for none
 * @param packetsPerSecond how many of them each queue receives; 0 for as many as its reactor can
 */
public record NullOptions(int queues, int generatedBytes, long packetsPerSecond) {
    /** One queue pair, and nothing is received. */
    public static final NullOptions SINK = new NullOptions(1, 0, 0);

    public NullOptions {
        if (queues < 1 || queues > 64) {
            throw new IllegalArgumentException("a null port has 1 to 64 queues, not " + queues);
        }
        if (generatedBytes != 0 && (generatedBytes < 14 || generatedBytes > 9216)) {
            throw new IllegalArgumentException("a generated packet has 14 to 9216 bytes, not " + generatedBytes);
        }
        if (packetsPerSecond < 0) {
            throw new IllegalArgumentException("packets per second cannot be negative: " + packetsPerSecond);
        }
    }
}
