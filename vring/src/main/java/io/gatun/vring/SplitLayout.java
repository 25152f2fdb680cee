package io.gatun.vring;

/**
 * The split virtqueue in memory (VIRTIO 1.3 §2.7), for a queue of {@code n} descriptors.
 *
 * <pre>
 * descriptor table (16-aligned)   available ring (2-aligned)       used ring (4-aligned)
 * +----------------------+ 0      +-----------------+ 0            +-----------------+ 0
 * | addr            u64  |        | flags      u16  |              | flags      u16  |
 * | len             u32  | 8      | idx        u16  | 2            | idx        u16  | 2
 * | flags           u16  | 12     | ring[n]    u16  | 4            | ring[n]         | 4
 * | next            u16  | 14     | used_event u16  | 4 + 2n       |   id       u32  |
 * +----------------------+ 16     +-----------------+ 6 + 2n       |   len      u32  |
 *                                                                  | avail_event u16 | 4 + 8n
 *                                                                  +-----------------+ 6 + 8n
 * </pre>
 */
final class SplitLayout {
    static final int DESCRIPTOR_BYTES = 16;
    static final int DESCRIPTOR_SHIFT = 4;
    static final int DESCRIPTOR_LENGTH = 8;
    static final int DESCRIPTOR_FLAGS = 12;
    static final int DESCRIPTOR_NEXT = 14;

    static final int DESC_F_NEXT = 1;
    static final int DESC_F_WRITE = 2;
    static final int DESC_F_INDIRECT = 4;

    /** Offset of {@code flags} in both rings. */
    static final int RING_FLAGS = 0;

    /** Offset of {@code idx} in both rings. */
    static final int RING_IDX = 2;

    /** Offset of the first element in both rings. */
    static final int RING_ELEMENTS = 4;

    static final int USED_ELEMENT_BYTES = 8;

    /** In the available ring's flags: the driver does not want calls. */
    static final int AVAIL_F_NO_INTERRUPT = 1;

    /** In the used ring's flags: the device does not want kicks. */
    static final int USED_F_NO_NOTIFY = 1;

    static final int MAX_SIZE = 32768;

    static final int DESCRIPTOR_ALIGNMENT = 16;
    static final int AVAIL_ALIGNMENT = 2;
    static final int USED_ALIGNMENT = 4;

    private SplitLayout() {}

    /** Returns {@code size}, or throws {@link IllegalArgumentException} if no split queue can have it. */
    static int requireSize(int size) {
        if (size < 1 || size > MAX_SIZE || Integer.bitCount(size) != 1) {
            throw new IllegalArgumentException(
                    "a split queue's size must be a power of two from 1 to " + MAX_SIZE + ", not " + size);
        }
        return size;
    }

    static long descriptorTableBytes(int size) {
        return (long) DESCRIPTOR_BYTES * size;
    }

    /** Bytes of the available ring, {@code used_event} included. */
    static long availBytes(int size) {
        return 6 + 2L * size;
    }

    /** Bytes of the used ring, {@code avail_event} included. */
    static long usedBytes(int size) {
        return 6 + 8L * size;
    }

    /** Offset of {@code used_event} in the available ring. */
    static int usedEvent(int size) {
        return RING_ELEMENTS + 2 * size;
    }

    /** Offset of {@code avail_event} in the used ring. */
    static int availEvent(int size) {
        return RING_ELEMENTS + USED_ELEMENT_BYTES * size;
    }

    /** Offset of the available ring from the descriptor table, as our own driver lays them out. */
    static long availOffset(int size) {
        return DriverQueue.align(descriptorTableBytes(size), DriverQueue.PART_ALIGNMENT);
    }

    /** Offset of the used ring from the descriptor table, as our own driver lays them out. */
    static long usedOffset(int size) {
        return DriverQueue.align(availOffset(size) + availBytes(size), DriverQueue.PART_ALIGNMENT);
    }
}
