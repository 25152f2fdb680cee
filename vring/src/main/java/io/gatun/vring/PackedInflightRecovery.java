package io.gatun.vring;

import io.gatun.linux.Memory;
import java.util.Arrays;

/**
 * Reads what a predecessor left in a packed queue's region of the in-flight buffer, and settles what it was in the
 * middle of (vhost-user, "Inflight I/O tracking", packed virtqueue, reconnecting). Dying in here is allowed: the next
 * one finds the same choices.
 *
 * <p>The front-end can write to the region: each field is read once, and what {@link PackedInflight} could not have
 * left behind is refused.
 */
final class PackedInflightRecovery {
    final long region;
    final int size;
    final int[] next;
    final int[] last;
    final int usedIndex;
    final int usedWrap;
    final int freeHead;

    /** First entries of the chains in flight, oldest first. */
    final int[] survivors;

    /** Greater than the counter of every survivor. */
    final long nextCounter;

    /** How many descriptors the survivors have: how far the available position is ahead of the used one. */
    final int descriptorCount;

    /**
     * Settles the region; the ring is only read.
     *
     * @param region host address of a region whose version and number of entries are known to fit
     * @param size the queue's size
     * @param ring host address of the descriptor ring
     * @throws IllegalArgumentException if the region holds what no back-end writes
     */
    PackedInflightRecovery(long region, int size, long ring) {
        this.region = region;
        this.size = size;
        next = new int[size];
        last = new int[size];
        long heads = Memory.getUnsignedInt(region + PackedInflightLayout.FREE_HEAD);
        int newFreeHead = (int) (heads & 0xffff);
        int oldFreeHead = (int) (heads >>> 16);
        long used = Memory.getLong(region + PackedInflightLayout.USED_WORD);
        int newUsed = position(used, 0, PackedInflightLayout.USED_WORD_WRAP_SHIFT);
        int oldUsed = position(
                used, PackedInflightLayout.USED_WORD_OLD_SHIFT, PackedInflightLayout.USED_WORD_OLD_WRAP_SHIFT);
        boolean commit = newUsed != oldUsed && isPublished(ring, oldUsed);
        freeHead = commit ? newFreeHead : oldFreeHead;
        int settled = commit ? newUsed : oldUsed;
        usedIndex = settled & PackedLayout.EVENT_OFFSET_MASK;
        usedWrap = settled >>> PackedLayout.EVENT_WRAP_SHIFT;
        boolean[] taken = new boolean[size];
        int freeCount = walkFreeList(taken);
        long[] counters = new long[size];
        survivors = findSurvivors(taken, counters);
        int descriptors = 0;
        long highest = -1;
        for (int head : survivors) {
            descriptors += walkChain(head, taken);
            highest = counters[head];
        }
        if (freeCount + descriptors != size) {
            throw invalid(freeCount + " entries are free and " + descriptors + " in flight, of " + size);
        }
        descriptorCount = descriptors;
        nextCounter = highest + 1;
        settle();
    }

    /** A used index with its wrap counter in bit 15, as it is in an event suppression structure. */
    private int position(long word, int indexShift, int wrapShift) {
        int index = (int) (word >>> indexShift) & 0xffff;
        int wrap = (int) (word >>> wrapShift) & 0xff;
        if (index >= size || wrap > 1) {
            throw invalid("used index " + index + " with wrap counter " + wrap + ", in a queue of " + size);
        }
        return index | wrap << PackedLayout.EVENT_WRAP_SHIFT;
    }

    /** Whether the driver can see the batch that began at {@code position}: it is not available there any more. */
    private static boolean isPublished(long ring, int position) {
        long slot = ring + ((long) (position & PackedLayout.EVENT_OFFSET_MASK) << PackedLayout.DESCRIPTOR_SHIFT);
        int available = position >>> PackedLayout.EVENT_WRAP_SHIFT != 0
                ? PackedLayout.DESC_F_AVAIL
                : PackedLayout.DESC_F_USED;
        return (Memory.loadAcquireShort(slot + PackedLayout.DESCRIPTOR_FLAGS) & PackedLayout.PHASE) != available;
    }

    private int walkFreeList(boolean[] taken) {
        int count = 0;
        for (int i = freeHead; i < size; i = next[i]) {
            if (taken[i]) {
                throw invalid("the free list comes to entry " + i + " again");
            }
            taken[i] = true;
            next[i] = Memory.getUnsignedShort(entry(i) + PackedInflightLayout.ENTRY_NEXT);
            count++;
        }
        return count;
    }

    /** The marked entries that are not on the free list, in the order of their counters. */
    private int[] findSurvivors(boolean[] taken, long[] counters) {
        Integer[] heads = new Integer[size];
        int count = 0;
        for (int i = 0; i < size; i++) {
            int mark = Memory.getByte(entry(i) + PackedInflightLayout.ENTRY_STATE);
            if (mark != 0 && !taken[i]) {
                counters[i] = Memory.getLong(entry(i) + PackedInflightLayout.ENTRY_COUNTER);
                heads[count++] = i;
            }
        }
        Arrays.sort(heads, 0, count, (a, b) -> Long.compareUnsigned(counters[a], counters[b]));
        int[] sorted = new int[count];
        for (int i = 0; i < count; i++) {
            sorted[i] = heads[i];
        }
        return sorted;
    }

    private int walkChain(int head, boolean[] taken) {
        long state = Memory.getLong(entry(head) + PackedInflightLayout.ENTRY_STATE);
        int count = (int) (state >>> PackedInflightLayout.STATE_NUM_SHIFT) & 0xffff;
        int tail = (int) (state >>> PackedInflightLayout.STATE_LAST_SHIFT) & 0xffff;
        int at = head;
        int link = (int) (state >>> PackedInflightLayout.STATE_NEXT_SHIFT) & 0xffff;
        for (int i = 0; i < count; i++) {
            if (at >= size || taken[at]) {
                throw invalid("the chain at entry " + head + " leads to entry " + at + ", which is not its own");
            }
            taken[at] = true;
            next[at] = at == head ? link : Memory.getUnsignedShort(entry(at) + PackedInflightLayout.ENTRY_NEXT);
            if (i == count - 1 && at == tail) {
                last[head] = tail;
                return count;
            }
            at = next[at];
        }
        throw invalid("the chain of " + count + " at entry " + head + " does not end at entry " + tail);
    }

    /** Writes the choice down: the heads first, so that a used index settled means that everything is. */
    private void settle() {
        for (int i = freeHead; i < size; i = next[i]) {
            Memory.putByte(entry(i) + PackedInflightLayout.ENTRY_STATE, (byte) 0);
        }
        Memory.releaseFence();
        Memory.putInt(region + PackedInflightLayout.FREE_HEAD, freeHead | freeHead << 16);
        Memory.releaseFence();
        long used = usedIndex | (long) usedWrap << PackedInflightLayout.USED_WORD_WRAP_SHIFT;
        long old = (long) usedIndex << PackedInflightLayout.USED_WORD_OLD_SHIFT
                | (long) usedWrap << PackedInflightLayout.USED_WORD_OLD_WRAP_SHIFT;
        Memory.putLong(region + PackedInflightLayout.USED_WORD, used | old);
    }

    private long entry(int index) {
        return region + PackedInflightLayout.HEADER_BYTES + ((long) index << PackedInflightLayout.ENTRY_SHIFT);
    }

    private static IllegalArgumentException invalid(String problem) {
        return new IllegalArgumentException("in-flight region: " + problem);
    }
}
