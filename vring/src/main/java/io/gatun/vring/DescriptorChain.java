package io.gatun.vring;

import java.util.Arrays;

/**
 * One buffer that the driver made available, flat: host addresses and lengths of its segments, readable ones first.
 *
 * <p>Reusable: {@link DeviceQueue#pop} overwrites it. Fields are public because the hot path reads them for every
 * request; only a queue writes them. Segments need not match descriptors: a descriptor whose range crosses memory
 * regions becomes several.
 *
 * <p><b>Thread-safety:</b> belongs to the queue's owner thread.
 */
public final class DescriptorChain {
    /** A descriptor longer than this is cut into several segments, so that every length fits an {@code int}. */
    static final int MAX_SEGMENT_BYTES = 1 << 30;

    /** Split ring: the head's index. Packed ring: the buffer id. */
    public int id;

    /** How many ring slots the chain occupies; only the packed ring needs it, to find the next slot. */
    public int descriptorCount;

    /** How many segments there are. */
    public int segmentCount;

    /** Segments {@code [0, readableCount)} are device-readable, the others device-writable. */
    public int readableCount;

    /** Sum of the readable segments' lengths. */
    public long readableBytes;

    /** Sum of the writable segments' lengths. */
    public long writableBytes;

    /** Host address of each segment. */
    public long[] addresses;

    /** Length of each segment in bytes, positive. */
    public int[] lengths;

    /** Where the in-flight log keeps this chain; meaningful to the queue only. */
    int inflightSlot;

    /** Makes an empty chain with room for {@code expectedSegments}; it grows when a guest sends more. */
    public DescriptorChain(int expectedSegments) {
        addresses = new long[expectedSegments];
        lengths = new int[expectedSegments];
    }

    void clear() {
        segmentCount = 0;
        readableCount = 0;
        readableBytes = 0;
        writableBytes = 0;
    }

    /** Appends the guest's range, already known to lie at {@code hostAddress}; {@code lengthBytes} fits one segment. */
    void append(long hostAddress, int lengthBytes, boolean writable) {
        int at = segmentCount;
        if (at == addresses.length) {
            grow();
        }
        addresses[at] = hostAddress;
        lengths[at] = lengthBytes;
        segmentCount = at + 1;
        if (writable) {
            writableBytes += lengthBytes;
        } else {
            readableCount = at + 1;
            readableBytes += lengthBytes;
        }
    }

    /** Takes every segment there is so far as device-readable. */
    void makeReadable() {
        readableCount = segmentCount;
        readableBytes += writableBytes;
        writableBytes = 0;
    }

    private void grow() {
        int wanted = Math.max(8, 2 * addresses.length);
        addresses = Arrays.copyOf(addresses, wanted);
        lengths = Arrays.copyOf(lengths, wanted);
    }
}
