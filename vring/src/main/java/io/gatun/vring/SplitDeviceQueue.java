package io.gatun.vring;

import io.gatun.linux.Memory;

/** The device side of a split virtqueue (VIRTIO 1.3 §2.7). */
public final class SplitDeviceQueue extends DeviceQueue {
    private static final int FLAGS_MASK = 0xffff;
    private static final int INDEX_MASK = 0xffff;

    private final int mask;
    private final boolean eventIndex;
    private final boolean indirectAllowed;
    private final long descriptorUserAddress;
    private final long availUserAddress;
    private final long usedUserAddress;

    // Host addresses, proven by mapRings: every index below is reduced to [0, size) before it is added to them.
    private long descriptors;
    private long avail;
    private long used;

    /** The next available element to take, modulo 2^16. */
    private int nextAvail;

    /**
     * The driver's {@code avail.idx} when it was last read: elements up to it may be taken without reading it again.
     */
    private int seenAvail;

    /**
     * Where the next used element goes, modulo 2^16; ahead of the published {@code used.idx} until {@link
     * #publishUsed}.
     */
    private int nextUsed;

    /** The {@code used.idx} that the driver sees. */
    private int publishedUsed;

    private boolean kicksSuppressed;

    /** What {@link #fetchHeads} read of descriptors: somebody has to take it, or nothing would be read. */
    @SuppressWarnings("UnusedVariable")
    private int fetched;

    /** The log of chains in flight that outlives this process, or null. */
    private final SplitInflight inflight;

    /** Validates the configuration; throws {@link IllegalArgumentException} with what is wrong. */
    public SplitDeviceQueue(QueueConfig config) {
        super(SplitLayout.requireSize(config.size()), config.features(), config.memory());
        mask = config.size() - 1;
        eventIndex = VirtioFeatures.has(config.features(), VirtioFeatures.EVENT_IDX);
        indirectAllowed = VirtioFeatures.has(config.features(), VirtioFeatures.INDIRECT_DESC);
        descriptorUserAddress = config.descriptorAddress();
        availUserAddress = config.availAddress();
        usedUserAddress = config.usedAddress();
        String problem = mapRings(config.memory());
        if (problem != null) {
            throw new IllegalArgumentException(problem);
        }
        // The used index is the ring's own, not the base: chains may have been used out of order before a restart.
        nextUsed = Memory.getUnsignedShort(used + SplitLayout.RING_IDX);
        publishedUsed = nextUsed;
        inflight = config.inflightAddress() == 0
                ? null
                : new SplitInflight(config.inflightAddress(), config.inflightBytes(), config.size(), nextUsed);
        // What was popped and is not used is in flight, so the two say where the predecessor stopped.
        boolean goesOn = inflight != null && !inflight.isFresh();
        nextAvail = (goesOn ? nextUsed + inflight.survivorCount() : config.base()) & INDEX_MASK;
        seenAvail = nextAvail;
    }

    @Override
    String mapRings(GuestMemory memory) {
        int n = size();
        descriptors = memory.translateUser(descriptorUserAddress, SplitLayout.descriptorTableBytes(n));
        avail = memory.translateUser(availUserAddress, SplitLayout.availBytes(n));
        used = memory.translateUser(usedUserAddress, SplitLayout.usedBytes(n));
        String problem =
                ringProblem("descriptor table", descriptorUserAddress, descriptors, SplitLayout.DESCRIPTOR_ALIGNMENT);
        if (problem == null) {
            problem = ringProblem("available ring", availUserAddress, avail, SplitLayout.AVAIL_ALIGNMENT);
        }
        return problem != null ? problem : ringProblem("used ring", usedUserAddress, used, SplitLayout.USED_ALIGNMENT);
    }

    @Override
    public boolean pop(DescriptorChain chain) {
        if (nextAvail == seenAvail) {
            if (inflight != null && inflight.hasSurvivor() && !isBroken()) {
                return take(chain, inflight.takeSurvivor());
            }
            if (!seeAvailable()) {
                return false;
            }
        }
        int head = Memory.getUnsignedShort(avail + SplitLayout.RING_ELEMENTS + 2L * (nextAvail & mask));
        if (head > mask) {
            seenAvail = nextAvail;
            return failHead(nextAvail, head);
        }
        if (!take(chain, head)) {
            return false;
        }
        nextAvail = (nextAvail + 1) & INDEX_MASK;
        if (inflight != null) {
            inflight.popped(head);
        }
        return true;
    }

    @Override
    public int popBurst(ChainBurst burst, int max) {
        requireNoLog(inflight);
        burst.clear();
        if (((seenAvail - nextAvail) & INDEX_MASK) < max && !seeAvailable()) {
            return 0;
        }
        int count = Math.min(max, (seenAvail - nextAvail) & INDEX_MASK);
        if (isBroken() || !fetchHeads(burst.ids, count) || !fetchBuffers(burst, count)) {
            seenAvail = nextAvail;
            burst.clear();
            return 0;
        }
        nextAvail = (nextAvail + count) & INDEX_MASK;
        return count;
    }

    /** Reads what the driver made available, and of each descriptor a byte, so that their misses overlap. */
    private boolean fetchHeads(int[] heads, int count) {
        long elements = Memory.base(avail) + SplitLayout.RING_ELEMENTS;
        long table = Memory.base(descriptors);
        int first = nextAvail;
        int last = mask;
        int sum = 0;
        for (int i = 0; i < count; i++) {
            int head = Memory.getUnsignedShort(elements + ((long) ((first + i) & last) << 1));
            if (head > last) {
                return failHead(first + i, head);
            }
            heads[i] = head;
            sum += Memory.getByte(table + ((long) head << SplitLayout.DESCRIPTOR_SHIFT));
        }
        fetched = sum;
        return true;
    }

    private boolean failHead(int position, int head) {
        return fail("available element " + (position & INDEX_MASK) + " names descriptor " + head + " of " + size());
    }

    /** Appends the buffers that start at {@link ChainBurst#ids}, already proven to be in the table. */
    private boolean fetchBuffers(ChainBurst burst, int count) {
        long table = Memory.base(descriptors);
        while (burst.count < count) {
            burst.appendHeads(memory(), table, count);
            if (burst.count < count) {
                // Fetched anew: what was seen above only chose this way.
                if (!take(burst.chain, burst.ids[burst.count])) {
                    return false;
                }
                burst.append(burst.chain);
            }
        }
        return true;
    }

    @Override
    public void unpop(ChainBurst burst, int keep) {
        nextAvail = (nextAvail - (burst.count - keep)) & INDEX_MASK;
        burst.count = keep;
    }

    private boolean take(DescriptorChain chain, int head) {
        chain.clear();
        chain.id = head;
        chain.descriptorCount = 1;
        if (follow(chain, descriptors, size(), head, size(), indirectAllowed)) {
            return true;
        }
        // Broken: the next pop must not go on with what has been seen.
        seenAvail = nextAvail;
        return false;
    }

    /** Reads the driver's index; true if it moved. */
    private boolean seeAvailable() {
        if (isBroken()) {
            return false;
        }
        // Acquire: pairs with the driver's release of avail.idx, so the elements and descriptors it covers are visible.
        int index = Memory.loadAcquireShort(avail + SplitLayout.RING_IDX);
        int pending = (index - nextAvail) & INDEX_MASK;
        if (pending > size()) {
            return fail("avail.idx went from " + nextAvail + " to " + index + " in a queue of " + size());
        }
        // A driver whose descriptors are all out cannot add: so nothing that we keep per chain ever outgrows the queue.
        // Against what the driver has seen used: it reuses no descriptor before.
        if (((index - publishedUsed) & INDEX_MASK) > size()) {
            return fail("avail.idx " + index + " leaves more than " + size() + " chains outstanding: used.idx is "
                    + nextUsed);
        }
        seenAvail = index;
        return pending != 0;
    }

    /**
     * Appends the chain that starts at {@code start} of a table: at most {@code atMost} descriptors, at most one level
     * of indirection.
     */
    private boolean follow(
            DescriptorChain chain, long table, int tableSize, int start, int atMost, boolean mayGoIndirect) {
        int index = start;
        for (int left = atMost; left > 0; left--) {
            long descriptor = table + ((long) index << SplitLayout.DESCRIPTOR_SHIFT);
            long address = Memory.getLong(descriptor);
            // Length, flags and next in one load: the driver cannot change one between our reads of the others.
            long word = Memory.getLong(descriptor + SplitLayout.DESCRIPTOR_LENGTH);
            long length = word & 0xffff_ffffL;
            int flags = (int) (word >>> 32) & FLAGS_MASK;
            if ((flags & SplitLayout.DESC_F_INDIRECT) != 0) {
                return enterIndirect(chain, address, length, flags, left, mayGoIndirect);
            }
            boolean writable = (flags & SplitLayout.DESC_F_WRITE) != 0;
            if (!writable && chain.segmentCount != chain.readableCount) {
                return fail("a device-readable descriptor follows a device-writable one");
            }
            if (!append(chain, address, length, writable)) {
                return false;
            }
            if ((flags & SplitLayout.DESC_F_NEXT) == 0) {
                return true;
            }
            index = (int) (word >>> 48);
            if (index >= tableSize) {
                return fail("descriptor's next is " + index + " in a table of " + tableSize);
            }
        }
        int limit = mayGoIndirect ? size() : longestChain();
        return fail("a descriptor chain is longer than " + limit + " descriptors, or loops");
    }

    private boolean enterIndirect(
            DescriptorChain chain, long address, long length, int flags, int atMost, boolean allowed) {
        if (!allowed) {
            return fail(indirectAllowed
                    ? "an indirect table holds an indirect descriptor"
                    : "an indirect descriptor, but VIRTIO_F_INDIRECT_DESC was not negotiated");
        }
        if ((flags & SplitLayout.DESC_F_NEXT) != 0) {
            return fail("an indirect descriptor has the NEXT flag");
        }
        if (length == 0 || length % SplitLayout.DESCRIPTOR_BYTES != 0) {
            return fail("an indirect table has " + length + " bytes, not a positive multiple of 16");
        }
        if (length > SplitLayout.descriptorTableBytes(longestChain())) {
            return fail("an indirect table of " + length / SplitLayout.DESCRIPTOR_BYTES
                    + " descriptors is longer than " + longestChain());
        }
        long table = memory().translate(address, length);
        if (table == GuestMemory.UNMAPPED) {
            return fail(String.format(
                    "indirect table of %d bytes at guest address 0x%x is not in one region", length, address));
        }
        int inTable = atMost - size() + longestChain();
        return follow(chain, table, (int) (length / SplitLayout.DESCRIPTOR_BYTES), 0, inTable, false);
    }

    @Override
    public void putUsed(DescriptorChain chain, long writtenBytes) {
        if (isBroken()) {
            return;
        }
        if (inflight != null) {
            inflight.put(chain.id);
        }
        // id and len in one store; elements are 4-aligned only, hence Memory's unaligned long.
        long element = (chain.id & 0xffff_ffffL) | (writtenBytes << 32);
        Memory.putLong(used + SplitLayout.RING_ELEMENTS + ((long) (nextUsed & mask) << 3), element);
        nextUsed = (nextUsed + 1) & INDEX_MASK;
    }

    @Override
    public void putUsedBurst(ChainBurst burst, int from, int to) {
        if (isBroken()) {
            return;
        }
        long elements = Memory.base(used) + SplitLayout.RING_ELEMENTS;
        int[] ids = burst.ids;
        int[] writtenBytes = burst.writtenBytes;
        int at = nextUsed - from;
        for (int i = from; i < to; i++) {
            long element = (ids[i] & 0xffff_ffffL) | (long) writtenBytes[i] << 32;
            Memory.putLong(elements + ((long) ((at + i) & mask) << 3), element);
        }
        nextUsed = (nextUsed + to - from) & INDEX_MASK;
    }

    @Override
    public boolean publishUsed() {
        int old = publishedUsed;
        int index = nextUsed;
        if (index == old || isBroken()) {
            return false;
        }
        // Release: pairs with the driver's acquire of used.idx; elements and data come before the index.
        Memory.releaseFence();
        Memory.putShort(used + SplitLayout.RING_IDX, index);
        publishedUsed = index;
        // Full: our index must be visible before we look whether the driver wants to hear of it (it does the reverse,
        // §2.7.7.2).
        Memory.fullFence();
        if (inflight != null) {
            inflight.commit(index);
        }
        if (eventIndex) {
            int event = Memory.getUnsignedShort(avail + SplitLayout.usedEvent(size()));
            return ((index - event - 1) & INDEX_MASK) < ((index - old) & INDEX_MASK);
        }
        return (Memory.getUnsignedShort(avail + SplitLayout.RING_FLAGS) & SplitLayout.AVAIL_F_NO_INTERRUPT) == 0;
    }

    @Override
    public void suppressKicks() {
        // With EVENT_IDX a stale avail_event does it: the driver kicks again only once its index comes round to it.
        if (!eventIndex && !kicksSuppressed && !isBroken()) {
            Memory.putShort(used + SplitLayout.RING_FLAGS, SplitLayout.USED_F_NO_NOTIFY);
            kicksSuppressed = true;
        }
    }

    @Override
    public boolean armKicks() {
        if (isBroken()) {
            return true;
        }
        if (inflight != null && inflight.hasSurvivor()) {
            return false;
        }
        if (eventIndex) {
            Memory.putShort(used + SplitLayout.availEvent(size()), nextAvail);
        } else {
            Memory.putShort(used + SplitLayout.RING_FLAGS, 0);
            kicksSuppressed = false;
        }
        // Full: the driver must see our wish before we conclude that there is nothing (it publishes, then looks,
        // §2.7.10).
        Memory.fullFence();
        return nextAvail == seenAvail && !seeAvailable();
    }

    @Override
    public boolean mayOweCall() {
        return inflight != null && !inflight.isFresh();
    }

    @Override
    public int base() {
        return nextAvail;
    }
}
