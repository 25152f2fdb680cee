package io.gatun.vring;

import java.util.Arrays;

/**
 * Several chains that the driver made available, flat: what {@link DescriptorChain} is for one, as parallel arrays.
 *
 * <p>Chain {@code i} has the segments from {@code firstSegments[i]} on, {@code segmentCounts[i]} of them, readable ones
 * first. Reusable: {@link DeviceQueue#popBurst} overwrites it. Fields are public because the hot path reads them for
 * every packet; only a queue writes them, but for {@link #writtenBytes}.
 *
 * <p><b>Thread-safety:</b> belongs to the queue's owner thread.
 */
public final class ChainBurst {
    /** How many chains there are. */
    public int count;

    /** As {@link DescriptorChain#id}. */
    public final int[] ids;

    /** As {@link DescriptorChain#descriptorCount}. */
    public final int[] descriptorCounts;

    /** Where each chain's segments start in the segment table. */
    public final int[] firstSegments;

    /** How many segments each chain has, at least 1. */
    public final int[] segmentCounts;

    /** How many of them are device-readable; the others are device-writable. */
    public final int[] readableCounts;

    /**
     * How many bytes of each chain's writable segments were written, from the first on: the device says so before
     * {@link DeviceQueue#putUsedBurst}. 0 at first, and left alone by the queue.
     */
    public final int[] writtenBytes;

    /** The segment table: host addresses. */
    public long[] addresses;

    /** The segment table: lengths in bytes, positive. */
    public int[] lengths;

    /** Of the packed ring: length, id and flags of descriptors, fetched before their addresses. */
    final long[] words;

    /** For the chains that are followed one by one. */
    final DescriptorChain chain = new DescriptorChain(16);

    private int segmentCount;

    /** Makes an empty burst for up to {@code capacity} chains. */
    public ChainBurst(int capacity) {
        ids = new int[capacity];
        descriptorCounts = new int[capacity];
        firstSegments = new int[capacity];
        segmentCounts = new int[capacity];
        readableCounts = new int[capacity];
        writtenBytes = new int[capacity];
        words = new long[capacity];
        addresses = new long[capacity];
        lengths = new int[capacity];
    }

    /** The most chains it holds. */
    public int capacity() {
        return ids.length;
    }

    /** Sum of the lengths of a chain's writable segments, in bytes. */
    public long writableBytes(int index) {
        return sum(firstSegments[index] + readableCounts[index], firstSegments[index] + segmentCounts[index]);
    }

    /** Sum of the lengths of a chain's readable segments, in bytes. */
    public long readableBytes(int index) {
        return sum(firstSegments[index], firstSegments[index] + readableCounts[index]);
    }

    private long sum(int from, int to) {
        long bytes = 0;
        for (int i = from; i < to; i++) {
            bytes += lengths[i];
        }
        return bytes;
    }

    void clear() {
        count = 0;
        segmentCount = 0;
    }

    /** Appends a chain of one segment; its id is in its place already. */
    void append(long hostAddress, int lengthBytes, int readableCount, int descriptorCount) {
        int at = count;
        int segment = segmentCount;
        if (segment == addresses.length) {
            grow(1);
        }
        addresses[segment] = hostAddress;
        lengths[segment] = lengthBytes;
        segmentCount = segment + 1;
        firstSegments[at] = segment;
        segmentCounts[at] = 1;
        readableCounts[at] = readableCount;
        descriptorCounts[at] = descriptorCount;
        count = at + 1;
    }

    /** Appends a chain that was followed. */
    void append(DescriptorChain followed) {
        int at = count;
        int segment = segmentCount;
        int segments = followed.segmentCount;
        if (segment + segments > addresses.length) {
            grow(segments);
        }
        System.arraycopy(followed.addresses, 0, addresses, segment, segments);
        System.arraycopy(followed.lengths, 0, lengths, segment, segments);
        segmentCount = segment + segments;
        ids[at] = followed.id;
        firstSegments[at] = segment;
        segmentCounts[at] = segments;
        readableCounts[at] = followed.readableCount;
        descriptorCounts[at] = followed.descriptorCount;
        count = at + 1;
    }

    private void grow(int more) {
        int wanted = Math.max(2 * addresses.length, segmentCount + more);
        addresses = Arrays.copyOf(addresses, wanted);
        lengths = Arrays.copyOf(lengths, wanted);
    }
}
