package io.gatun.vring;

/**
 * The feature bits that rings depend on; device-specific bits live with their device. Source: VIRTIO 1.3 §6 and §6.3.
 */
public final class VirtioFeatures {
    /** The device wants a call when the ring runs empty, even if calls are suppressed (legacy, §6.3). */
    public static final long NOTIFY_ON_EMPTY = 1L << 24;

    /** Any descriptor layout is accepted; implied by {@link #VERSION_1}. */
    public static final long ANY_LAYOUT = 1L << 27;

    /** A descriptor may point to a table of descriptors. */
    public static final long INDIRECT_DESC = 1L << 28;

    /** Notifications are suppressed by index ({@code used_event}, {@code avail_event}) rather than by flag. */
    public static final long EVENT_IDX = 1L << 29;

    /** The device follows VIRTIO 1.0 or later. */
    public static final long VERSION_1 = 1L << 32;

    /** Ring and buffer addresses go through an IOMMU. */
    public static final long ACCESS_PLATFORM = 1L << 33;

    /** Queues use the packed layout. */
    public static final long RING_PACKED = 1L << 34;

    /** Buffers are used in the order in which they were made available. */
    public static final long IN_ORDER = 1L << 35;

    /** Memory accesses are ordered as the platform orders them, not as SMP memory. */
    public static final long ORDER_PLATFORM = 1L << 36;

    /** A single queue can be reset. */
    public static final long RING_RESET = 1L << 40;

    private VirtioFeatures() {}

    /** Whether every bit of {@code bits} is set in {@code features}. */
    public static boolean has(long features, long bits) {
        return (features & bits) == bits;
    }
}
