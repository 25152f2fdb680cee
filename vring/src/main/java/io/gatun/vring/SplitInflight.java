package io.gatun.vring;

import io.gatun.linux.Memory;
import java.util.Arrays;

/**
 * Remembers which chains of a split queue are in flight, in memory that outlives this process (vhost-user, "Inflight
 * I/O tracking"): after a crash the next process gives the driver every answer exactly once.
 *
 * <p>The steps, each complete before the next begins: a popped head gets a counter, then its mark. A head put used is
 * linked to the ones put before it. The used index moves. The marks of the batch are cleared, then the region's copy of
 * the used index follows. Whoever dies between moving the index and clearing marks leaves a copy that lags; the
 * successor clears as many marks as it lags by, along the links.
 *
 * <p>What dies is a process, not the machine: its stores reach memory in program order, so compiler fences are all that
 * the steps need.
 *
 * <p>The front-end can write to the region. The running queue never reads it back; a new queue reads each field once
 * and refuses what this class could not have left behind.
 */
final class SplitInflight {
    private final long region;
    private final int size;

    /** Heads put used since the last commit. */
    private final int[] batch;

    private int batchCount;
    private int lastBatchHead;
    private long counter;

    /** Heads that the predecessor left in flight, oldest first. */
    private final int[] survivors;

    private final boolean fresh;
    private int nextSurvivor;

    /**
     * Initialises a fresh region or recovers a used one.
     *
     * @param region host address of the region
     * @param regionBytes its length
     * @param size the queue's size
     * @param usedIdx the used ring's index
     * @throws IllegalArgumentException if the region is too small, misaligned or holds what no back-end writes
     */
    SplitInflight(long region, long regionBytes, int size, int usedIdx) {
        this.region = region;
        this.size = size;
        batch = new int[size];
        if (region % 8 != 0) {
            throw invalid("its address is not 8-byte aligned");
        }
        if (regionBytes < SplitInflightLayout.regionBytes(size)) {
            throw invalid(regionBytes + " bytes are too few for a queue of " + size);
        }
        int version = Memory.getUnsignedShort(region + SplitInflightLayout.VERSION);
        fresh = version == 0;
        if (fresh) {
            survivors = new int[0];
            initialise(usedIdx);
        } else {
            if (version != InflightLayout.VERSION || Memory.getLong(region + SplitInflightLayout.FEATURES) != 0) {
                throw invalid("unknown version " + version + " or unknown features");
            }
            survivors = recover(regionBytes, usedIdx);
        }
    }

    /**
     * The copy of the used index must be the ring's, which need not be 0: the guest may have come here by migration.
     * With 0 a crash before the first completion would look like a lagging copy and lose the request of descriptor 0.
     */
    private void initialise(int usedIdx) {
        for (int i = 0; i < size; i++) {
            Memory.putLong(entry(i), 0);
            Memory.putLong(entry(i) + SplitInflightLayout.ENTRY_COUNTER, 0);
        }
        Memory.putLong(region + SplitInflightLayout.FEATURES, 0);
        Memory.putShort(region + SplitInflightLayout.ENTRY_COUNT, size);
        Memory.putShort(region + SplitInflightLayout.LAST_BATCH_HEAD, 0);
        Memory.putShort(region + SplitInflightLayout.USED_IDX, usedIdx);
        // The version makes the region valid, so it comes last.
        Memory.releaseFence();
        Memory.putShort(region + SplitInflightLayout.VERSION, InflightLayout.VERSION);
    }

    private int[] recover(long regionBytes, int usedIdx) {
        int entries = Memory.getUnsignedShort(region + SplitInflightLayout.ENTRY_COUNT);
        if (entries < size || SplitInflightLayout.regionBytes(entries) > regionBytes) {
            throw invalid("desc_num " + entries + ", for a queue of " + size + " and " + regionBytes + " bytes");
        }
        boolean[] marked = new boolean[size];
        int count = 0;
        for (int i = 0; i < entries; i++) {
            int mark = Memory.getByte(entry(i) + SplitInflightLayout.ENTRY_INFLIGHT);
            if (mark != 0) {
                if (mark != 1 || i >= size) {
                    throw invalid("entry " + i + " has mark " + mark + ", in a queue of " + size);
                }
                marked[i] = true;
                count++;
            }
        }
        lastBatchHead = Memory.getUnsignedShort(region + SplitInflightLayout.LAST_BATCH_HEAD);
        if (lastBatchHead >= size) {
            throw invalid("last_batch_head " + lastBatchHead + ", in a queue of " + size);
        }
        int lag = (usedIdx - Memory.getUnsignedShort(region + SplitInflightLayout.USED_IDX)) & 0xffff;
        if (lag != 0 && count != 0) {
            clearLastBatch(marked, lag);
        }
        Memory.releaseFence();
        Memory.putShort(region + SplitInflightLayout.USED_IDX, usedIdx);
        return byCounter(marked);
    }

    /** The predecessor published {@code count} used entries but did not finish clearing their marks. */
    private void clearLastBatch(boolean[] marked, int count) {
        if (count > size) {
            throw invalid("used_idx lags behind the ring's by " + count + ", in a queue of " + size);
        }
        boolean[] seen = new boolean[size];
        int head = lastBatchHead;
        for (int i = 0; i < count; i++) {
            if (head >= size || seen[head]) {
                throw invalid("link " + i + " of the last batch of " + count + " leads to entry " + head
                        + (head < size ? " again" : ", in a queue of " + size));
            }
            seen[head] = true;
            head = Memory.getUnsignedShort(entry(head) + SplitInflightLayout.ENTRY_NEXT);
        }
        for (int i = 0; i < size; i++) {
            if (seen[i]) {
                marked[i] = false;
                Memory.putByte(entry(i) + SplitInflightLayout.ENTRY_INFLIGHT, (byte) 0);
            }
        }
    }

    private int[] byCounter(boolean[] marked) {
        long[] counters = new long[size];
        Integer[] heads = new Integer[size];
        int count = 0;
        for (int i = 0; i < size; i++) {
            if (marked[i]) {
                counters[i] = Memory.getLong(entry(i) + SplitInflightLayout.ENTRY_COUNTER);
                counter = count == 0 ? counters[i] + 1 : Math.max(counter, counters[i] + 1);
                heads[count++] = i;
            }
        }
        Arrays.sort(heads, 0, count, (a, b) -> Long.compare(counters[a], counters[b]));
        int[] sorted = new int[count];
        for (int i = 0; i < count; i++) {
            sorted[i] = heads[i];
        }
        return sorted;
    }

    /** Whether the region was never used before: the queue goes on where the front-end says. */
    boolean isFresh() {
        return fresh;
    }

    /** How many chains the predecessor left in flight. */
    int survivorCount() {
        return survivors.length;
    }

    boolean hasSurvivor() {
        return nextSurvivor < survivors.length;
    }

    /** The oldest survivor not yet taken; it keeps its mark and its counter. */
    int takeSurvivor() {
        return survivors[nextSurvivor++];
    }

    /** A new chain was popped. */
    void popped(int head) {
        long entry = entry(head);
        Memory.putLong(entry + SplitInflightLayout.ENTRY_COUNTER, counter++);
        Memory.releaseFence();
        Memory.putByte(entry + SplitInflightLayout.ENTRY_INFLIGHT, (byte) 1);
    }

    /** A chain was put into the used ring, not yet published. */
    void put(int head) {
        Memory.putShort(entry(head) + SplitInflightLayout.ENTRY_NEXT, lastBatchHead);
        Memory.releaseFence();
        Memory.putShort(region + SplitInflightLayout.LAST_BATCH_HEAD, head);
        lastBatchHead = head;
        batch[batchCount++] = head;
    }

    /**
     * The chains put since the last commit were published, as the used index {@code usedIdx} says; a fence lies
     * between.
     */
    void commit(int usedIdx) {
        for (int i = 0; i < batchCount; i++) {
            Memory.putByte(entry(batch[i]) + SplitInflightLayout.ENTRY_INFLIGHT, (byte) 0);
        }
        batchCount = 0;
        Memory.releaseFence();
        Memory.putShort(region + SplitInflightLayout.USED_IDX, usedIdx);
    }

    private long entry(int head) {
        return region + SplitInflightLayout.HEADER_BYTES + ((long) head << SplitInflightLayout.ENTRY_SHIFT);
    }

    private static IllegalArgumentException invalid(String problem) {
        return new IllegalArgumentException("in-flight region: " + problem);
    }
}
