package io.gatun.pmd;

/**
 * How a {@link RingPort} pair is made.
 *
 * @param queues queue pairs, 1 to 64
 * @param depth packets that wait in one queue at most, 2 to 65536
 * @param buffers buffers for them, of {@link PacketPool#DEFAULT_BUFFER_BYTES} each; at least 1
 * @param offloads what either end takes: bits of {@link Offloads}
 */
public record RingOptions(int queues, int depth, int buffers, long offloads) {
    /** One queue pair that holds 512 plain frames in each direction. */
    public static final RingOptions DEFAULT = new RingOptions(1, 512, 1024, Offloads.NONE);

    public RingOptions {
        if (queues < 1 || queues > 64) {
            throw new IllegalArgumentException("a ring port has 1 to 64 queues, not " + queues);
        }
        if (depth < 2 || depth > 65536) {
            throw new IllegalArgumentException("a ring holds 2 to 65536 packets, not " + depth);
        }
    }

    public RingOptions withQueues(int count) {
        return new RingOptions(count, depth, buffers, offloads);
    }

    public RingOptions withDepth(int packets) {
        return new RingOptions(queues, packets, 2 * packets, offloads);
    }

    public RingOptions withOffloads(long bits) {
        return new RingOptions(queues, depth, buffers, bits);
    }
}
