package io.gatun.vring;

import static io.gatun.vring.PackedInflightLayout.ENTRY_ADDRESS;
import static io.gatun.vring.PackedInflightLayout.ENTRY_COUNT;
import static io.gatun.vring.PackedInflightLayout.ENTRY_COUNTER;
import static io.gatun.vring.PackedInflightLayout.ENTRY_NEXT;
import static io.gatun.vring.PackedInflightLayout.ENTRY_SHIFT;
import static io.gatun.vring.PackedInflightLayout.ENTRY_STATE;
import static io.gatun.vring.PackedInflightLayout.ENTRY_WORD;
import static io.gatun.vring.PackedInflightLayout.FREE_HEAD;
import static io.gatun.vring.PackedInflightLayout.HEADER_BYTES;
import static io.gatun.vring.PackedInflightLayout.OLD_FREE_HEAD;
import static io.gatun.vring.PackedInflightLayout.STATE_LAST_SHIFT;
import static io.gatun.vring.PackedInflightLayout.STATE_NEXT_SHIFT;
import static io.gatun.vring.PackedInflightLayout.STATE_NUM_SHIFT;
import static io.gatun.vring.PackedInflightLayout.USED_WORD;
import static io.gatun.vring.PackedInflightLayout.USED_WORD_OLD_SHIFT;
import static io.gatun.vring.PackedInflightLayout.USED_WORD_OLD_WRAP_SHIFT;
import static io.gatun.vring.PackedInflightLayout.USED_WORD_WRAP_SHIFT;
import static io.gatun.vring.PackedInflightLayout.VERSION;

import io.gatun.linux.Memory;

/**
 * Remembers which chains of a packed queue are in flight, in memory that outlives this process (vhost-user, "Inflight
 * I/O tracking"): after a crash the next process gives the driver every answer exactly once.
 *
 * <p>A used descriptor overwrites an available one, perhaps of another chain, so the ring alone cannot tell what is in
 * flight: every popped descriptor is copied into an entry of the region. Free entries form a list that ends with the
 * number of entries.
 *
 * <p>Each step is complete before the next begins. Popping writes copies into free entries, marks the first of them,
 * and then takes all from the free list by one store of both list heads; dying before it un-pops the chain. Publishing
 * ({@link #publishing}, the flags in the ring, {@link #published}) puts the batch's entries back on the list and moves
 * the used index, and lets the {@code old_} fields follow once the driver can see the batch. Who dies in between leaves
 * them different; the successor looks at the ring to learn whether the driver saw the batch, and goes forward or back.
 * It judges by index <em>and</em> wrap counter: after a batch that fills the ring the indices alone are equal.
 *
 * <p>What dies is a process, not the machine: its stores reach memory in program order, so compiler fences are all that
 * the steps need.
 *
 * <p>The front-end can write to the region. The running queue never reads it back, it goes by its own arrays; a new
 * queue reads each field once ({@link PackedInflightRecovery}).
 */
final class PackedInflight {
    private static final long IN_FLIGHT = 1;

    private final long region;
    private final int size;

    /** The free entry after each free one, and within a chain the entry after each. */
    private final int[] next;

    /** Of each entry that starts a chain: the chain's last one. */
    private final int[] last;

    /** First entries of the chains put used since the last publication. */
    private final int[] batch;

    private int batchCount;
    private int freeHead;
    private long counter;
    private int usedIndex;
    private int usedWrap;

    // The chain being popped: where its copies began, and where the next copy goes.
    private int chainHead;
    private int chainTail;
    private int cursor;

    /** First entries of the chains that the predecessor left in flight, oldest first. */
    private final int[] survivors;

    private int nextSurvivor;

    /** How many descriptors all survivors have. */
    private final int survivorDescriptors;

    private final boolean fresh;

    /**
     * Opens a queue's region: recovers it if a predecessor used it for a queue of this size, and initialises it
     * otherwise. A driver changes the size only when it resets the queue, so what a region of another size says is
     * void.
     *
     * @param region host address of the region
     * @param regionBytes its length
     * @param size the queue's size
     * @param ring host address of the descriptor ring
     * @param usedIndex where the next used descriptor goes if the region is fresh
     * @param usedWrap the wrap counter there
     * @throws IllegalArgumentException if the region is too small, misaligned or holds what no back-end writes
     */
    static PackedInflight open(long region, long regionBytes, int size, long ring, int usedIndex, int usedWrap) {
        if (region % 8 != 0) {
            throw new IllegalArgumentException("in-flight region: its address is not 8-byte aligned");
        }
        if (regionBytes < PackedInflightLayout.regionBytes(size)) {
            throw new IllegalArgumentException(
                    "in-flight region: " + regionBytes + " bytes are too few for a queue of " + size);
        }
        int version = Memory.getUnsignedShort(region + VERSION);
        if (version == 0 || Memory.getUnsignedShort(region + ENTRY_COUNT) != size) {
            return new PackedInflight(region, size, usedIndex, usedWrap);
        }
        if (version != InflightLayout.VERSION || Memory.getLong(region + PackedInflightLayout.FEATURES) != 0) {
            throw new IllegalArgumentException("in-flight region: unknown version " + version + " or unknown features");
        }
        return new PackedInflight(new PackedInflightRecovery(region, size, ring));
    }

    /** Initialises a fresh region: nothing is in flight, and the next used descriptor goes to {@code usedIndex}. */
    private PackedInflight(long region, int size, int usedIndex, int usedWrap) {
        this.region = region;
        this.size = size;
        this.usedIndex = usedIndex;
        this.usedWrap = usedWrap;
        next = new int[size];
        last = new int[size];
        batch = new int[size];
        survivors = new int[0];
        survivorDescriptors = 0;
        fresh = true;
        // Version 0 says "uninitialised": dying half-way leaves that.
        Memory.putShort(region + VERSION, 0);
        Memory.releaseFence();
        Memory.putLong(region + PackedInflightLayout.FEATURES, 0);
        Memory.putShort(region + ENTRY_COUNT, size);
        for (int i = 0; i < size; i++) {
            next[i] = i + 1;
            Memory.putLong(entry(i) + ENTRY_STATE, (i + 1L) << STATE_NEXT_SHIFT);
        }
        Memory.putInt(region + FREE_HEAD, 0);
        putUsedWord(usedIndex, usedWrap, usedIndex, usedWrap);
        Memory.releaseFence();
        Memory.putShort(region + VERSION, InflightLayout.VERSION);
    }

    /** Goes on where a predecessor stopped. */
    private PackedInflight(PackedInflightRecovery from) {
        region = from.region;
        size = from.size;
        usedIndex = from.usedIndex;
        usedWrap = from.usedWrap;
        next = from.next;
        last = from.last;
        batch = new int[size];
        survivors = from.survivors;
        survivorDescriptors = from.descriptorCount;
        fresh = false;
        freeHead = from.freeHead;
        counter = from.nextCounter;
    }

    /** Whether no predecessor used the region for this queue. */
    boolean isFresh() {
        return fresh;
    }

    int usedIndex() {
        return usedIndex;
    }

    int usedWrap() {
        return usedWrap;
    }

    int survivorDescriptors() {
        return survivorDescriptors;
    }

    boolean hasSurvivor() {
        return nextSurvivor < survivors.length;
    }

    /** The first entry of the oldest survivor not yet taken; it keeps its mark and its counter. */
    int takeSurvivor() {
        return survivors[nextSurvivor++];
    }

    /** The last entry of the chain that starts at {@code head}. */
    int lastOf(int head) {
        return last[head];
    }

    /** The entry after {@code entry} in its chain. */
    int after(int entry) {
        return next[entry];
    }

    long address(int entry) {
        return Memory.getLong(entry(entry) + ENTRY_ADDRESS);
    }

    /** The copy's length, id and flags, as the ring's word has them. */
    long word(int entry) {
        long word = Memory.getLong(entry(entry) + ENTRY_WORD);
        return word >>> 32 | word << 32;
    }

    /** A chain is about to be popped. */
    void begin() {
        chainHead = freeHead;
        cursor = freeHead;
    }

    /**
     * Copies the next descriptor of the chain being popped; there is a free entry, since the queue lets no more
     * descriptors be in flight than it has.
     */
    void copy(long address, long word, int flags) {
        int to = cursor;
        long at = entry(to);
        Memory.putLong(at + ENTRY_ADDRESS, address);
        long id = (word >>> PackedLayout.WORD_ID_SHIFT) & 0xffff;
        Memory.putLong(at + ENTRY_WORD, word << 32 | (long) flags << 16 | id);
        chainTail = to;
        cursor = next[to];
    }

    /** The chain being popped is complete and sound: it is in flight from here on. Returns its first entry. */
    int end(int descriptorCount) {
        int head = chainHead;
        long at = entry(head);
        last[head] = chainTail;
        Memory.putLong(at + ENTRY_COUNTER, counter++);
        Memory.releaseFence();
        Memory.putLong(
                at + ENTRY_STATE,
                IN_FLIGHT
                        | (long) next[head] << STATE_NEXT_SHIFT
                        | (long) chainTail << STATE_LAST_SHIFT
                        | (long) descriptorCount << STATE_NUM_SHIFT);
        Memory.releaseFence();
        freeHead = cursor;
        Memory.putInt(region + FREE_HEAD, freeHead | freeHead << 16);
        return head;
    }

    /** The chain that starts at {@code head} is used; the driver does not see it yet. */
    void put(int head) {
        batch[batchCount++] = head;
    }

    /** The batch will be published next, after which the queue's used position is the one given. */
    void publishing(int newUsedIndex, int newUsedWrap) {
        int free = freeHead;
        for (int i = 0; i < batchCount; i++) {
            int tail = last[batch[i]];
            next[tail] = free;
            Memory.putShort(entry(tail) + ENTRY_NEXT, free);
            free = batch[i];
        }
        freeHead = free;
        Memory.releaseFence();
        Memory.putShort(region + FREE_HEAD, free);
        Memory.releaseFence();
        putUsedWord(newUsedIndex, newUsedWrap, usedIndex, usedWrap);
        usedIndex = newUsedIndex;
        usedWrap = newUsedWrap;
    }

    /** The driver can see the batch. */
    void published() {
        Memory.releaseFence();
        for (int i = 0; i < batchCount; i++) {
            Memory.putByte(entry(batch[i]) + ENTRY_STATE, (byte) 0);
        }
        batchCount = 0;
        Memory.releaseFence();
        Memory.putShort(region + OLD_FREE_HEAD, freeHead);
        Memory.releaseFence();
        putUsedWord(usedIndex, usedWrap, usedIndex, usedWrap);
    }

    private void putUsedWord(int index, int wrap, int oldIndex, int oldWrap) {
        Memory.putLong(
                region + USED_WORD,
                index
                        | (long) oldIndex << USED_WORD_OLD_SHIFT
                        | (long) wrap << USED_WORD_WRAP_SHIFT
                        | (long) oldWrap << USED_WORD_OLD_WRAP_SHIFT);
    }

    private long entry(int index) {
        return region + HEADER_BYTES + ((long) index << ENTRY_SHIFT);
    }
}
