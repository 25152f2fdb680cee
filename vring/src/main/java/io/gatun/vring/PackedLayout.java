package io.gatun.vring;

/**
 * The packed virtqueue in memory (VIRTIO 1.3 §2.8), for a queue of {@code n} descriptors; {@code n} need not be a power
 * of two (§2.8.10.1).
 *
 * <pre>
 * descriptor ring (16-aligned)    event suppression (4-aligned), one of the driver and one of the device
 * +------------------+ 0          +------------------------------+ 0
 * | addr        u64  |            | desc_event_off   15 bits     |
 * | len         u32  | 8          | desc_event_wrap   1 bit      |
 * | id          u16  | 12         | desc_event_flags  2 bits     | 2
 * | flags       u16  | 14         | (reserved)       14 bits     |
 * +------------------+ 16         +------------------------------+ 4
 *
 * flags       AVAIL  USED
 *   available   w     !w     w: the wrap counter of whoever marks the descriptor, 1 on the first lap
 *   used        w      w
 * </pre>
 */
final class PackedLayout {
    static final int DESCRIPTOR_BYTES = 16;
    static final int DESCRIPTOR_SHIFT = 4;

    /** Offset of {@code len}, {@code id} and {@code flags}: one aligned 64-bit word. */
    static final int DESCRIPTOR_WORD = 8;

    static final int DESCRIPTOR_ID = 12;
    static final int DESCRIPTOR_FLAGS = 14;

    /** Where {@code id} and {@code flags} lie in the word. */
    static final int WORD_ID_SHIFT = 32;

    static final int WORD_FLAGS_SHIFT = 48;

    static final int DESC_F_NEXT = 1;
    static final int DESC_F_WRITE = 2;
    static final int DESC_F_INDIRECT = 4;
    static final int DESC_F_AVAIL = 1 << 7;
    static final int DESC_F_USED = 1 << 15;

    /** Both flags that say whose a descriptor is; flipping both goes from one lap of the ring to the next. */
    static final int PHASE = DESC_F_AVAIL | DESC_F_USED;

    static final int EVENT_BYTES = 4;

    /** Where {@code desc_event_flags} lies in the event suppression structure, taken as one 32-bit word. */
    static final int EVENT_FLAGS_SHIFT = 16;

    static final int EVENT_FLAGS_MASK = 3;

    /** Events for every descriptor. */
    static final int EVENT_ENABLE = 0;

    /** No events. */
    static final int EVENT_DISABLE = 1;

    /** An event for the descriptor at {@code desc_event_off}; only with VIRTIO_F_EVENT_IDX. */
    static final int EVENT_DESCRIPTOR = 2;

    /** In {@code desc_event_off}'s half: the offset within the ring. */
    static final int EVENT_OFFSET_MASK = 0x7fff;

    /** In {@code desc_event_off}'s half: where the wrap counter lies. */
    static final int EVENT_WRAP_SHIFT = 15;

    static final int MAX_SIZE = 32768;

    static final int RING_ALIGNMENT = 16;
    static final int EVENT_ALIGNMENT = 4;

    private PackedLayout() {}

    /** Returns {@code size}, or throws {@link IllegalArgumentException} if no packed queue can have it. */
    static int requireSize(int size) {
        if (size < 1 || size > MAX_SIZE) {
            throw new IllegalArgumentException("a packed queue's size must be from 1 to " + MAX_SIZE + ", not " + size);
        }
        return size;
    }

    static long ringBytes(int size) {
        return (long) DESCRIPTOR_BYTES * size;
    }

    /** Offset of the driver's event suppression from the ring, as our own driver lays them out. */
    static long driverEventOffset(int size) {
        return DriverQueue.align(ringBytes(size), DriverQueue.PART_ALIGNMENT);
    }

    /** Offset of the device's event suppression from the ring, as our own driver lays them out. */
    static long deviceEventOffset(int size) {
        return driverEventOffset(size) + DriverQueue.PART_ALIGNMENT;
    }
}
