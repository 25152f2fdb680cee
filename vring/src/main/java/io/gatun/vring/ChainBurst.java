package io.gatun.vring;

import io.gatun.linux.Memory;
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

    /**
     * Some chain has more than one descriptor or segment. Else {@link #firstSegments}, {@link #segmentCounts} and
     * {@link #descriptorCounts} say so already, and need not be written again.
     */
    private boolean varied;

    /** What {@link #fetchHeads} read: somebody has to take it, or nothing would be read. */
    @SuppressWarnings("UnusedVariable")
    private int fetched;

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
        forgetShapes();
    }

    /** The most chains it holds. */
    public int capacity() {
        return ids.length;
    }

    /** Sum of the lengths of a chain's writable segments, in bytes. */
    public long writableBytes(int index) {
        if (segmentCounts[index] == 1) {
            return readableCounts[index] == 1 ? 0 : lengths[firstSegments[index]];
        }
        return sum(firstSegments[index] + readableCounts[index], firstSegments[index] + segmentCounts[index]);
    }

    /** Sum of the lengths of a chain's readable segments, in bytes. */
    public long readableBytes(int index) {
        return sum(firstSegments[index], firstSegments[index] + readableCounts[index]);
    }

    /** Whether all of a chain's writable bytes were written. */
    boolean isComplete(int index) {
        return writtenBytes[index] == writableBytes(index);
    }

    /** Reads a byte of every chain, so that the misses of whoever reads or writes there next have overlapped. */
    public void fetchHeads() {
        int sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Memory.getByte(addresses[firstSegments[i]]);
        }
        fetched = sum;
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
        if (varied) {
            forgetShapes();
        }
    }

    /** Every chain is one descriptor and one segment again. */
    private void forgetShapes() {
        Arrays.setAll(firstSegments, i -> i);
        Arrays.fill(segmentCounts, 1);
        Arrays.fill(descriptorCounts, 1);
        varied = false;
    }

    /**
     * Appends the chains of one descriptor each that {@link #words} describes in the packed ring's form, up to the
     * first whose range is not one segment; returns how many.
     *
     * @param first host address of the first descriptor; the others follow it
     */
    int appendRun(GuestMemory memory, long first, int available) {
        reserve(available);
        int at = count;
        int segment = segmentCount;
        long[] run = words;
        int[] runIds = ids;
        int taken = 0;
        while (taken < available) {
            long word = run[taken];
            long address = Memory.getLong(first + ((long) taken << PackedLayout.DESCRIPTOR_SHIFT));
            long host = DeviceQueue.oneSegment(memory, address, word & 0xffff_ffffL);
            if (host == GuestMemory.UNMAPPED) {
                break;
            }
            runIds[at + taken] = (int) (word >>> PackedLayout.WORD_ID_SHIFT) & 0xffff;
            boolean writable = ((int) (word >>> PackedLayout.WORD_FLAGS_SHIFT) & PackedLayout.DESC_F_WRITE) != 0;
            put(at + taken, segment + taken, host, (int) word, writable ? 0 : 1);
            taken++;
        }
        count = at + taken;
        segmentCount = segment + taken;
        return taken;
    }

    /**
     * As {@link #appendRun(GuestMemory, long, int)} for a split ring: the descriptors {@code ids[count …]} of a table,
     * up to the first that is not alone.
     */
    int appendHeads(GuestMemory memory, long table, int until) {
        reserve(until - count);
        int at = count;
        int behind = segmentCount - at;
        int[] heads = ids;
        while (at < until) {
            long descriptor = table + ((long) heads[at] << SplitLayout.DESCRIPTOR_SHIFT);
            long address = Memory.getLong(descriptor);
            long word = Memory.getLong(descriptor + SplitLayout.DESCRIPTOR_LENGTH);
            int flags = (int) (word >>> 32);
            long host = (flags & (SplitLayout.DESC_F_NEXT | SplitLayout.DESC_F_INDIRECT)) == 0
                    ? DeviceQueue.oneSegment(memory, address, word & 0xffff_ffffL)
                    : GuestMemory.UNMAPPED;
            if (host == GuestMemory.UNMAPPED) {
                break;
            }
            put(at, at + behind, host, (int) word, (flags & SplitLayout.DESC_F_WRITE) == 0 ? 1 : 0);
            at++;
        }
        int taken = at - count;
        count = at;
        segmentCount += taken;
        return taken;
    }

    private void put(int at, int segment, long hostAddress, int lengthBytes, int readableCount) {
        addresses[segment] = hostAddress;
        lengths[segment] = lengthBytes;
        readableCounts[at] = readableCount;
        if (varied) {
            firstSegments[at] = segment;
        }
    }

    /** Appends a chain that was followed. */
    void append(DescriptorChain followed) {
        int at = count;
        int segment = segmentCount;
        int segments = followed.segmentCount;
        varied |= segments != 1 || followed.descriptorCount != 1;
        reserve(segments);
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

    private void reserve(int more) {
        if (segmentCount + more <= addresses.length) {
            return;
        }
        int wanted = Math.max(2 * addresses.length, segmentCount + more);
        addresses = Arrays.copyOf(addresses, wanted);
        lengths = Arrays.copyOf(lengths, wanted);
    }
}
