package io.gatun.vring;

/**
 * How large a queue's region of the in-flight buffer is (vhost-user, "Inflight I/O tracking").
 *
 * <p>The regions of a device's queues lie back to back in one shared file that the front-end keeps while the back-end
 * is away; only back-ends read it. Each region is a multiple of eight bytes, so that counters stay aligned.
 */
public final class InflightLayout {
    /** The version of both region formats; 0 says that a region was never used. */
    static final int VERSION = 1;

    private InflightLayout() {}

    /** Bytes of one queue's region. */
    public static long regionBytes(boolean packed, int queueSize) {
        return packed ? PackedInflightLayout.regionBytes(queueSize) : SplitInflightLayout.regionBytes(queueSize);
    }
}
