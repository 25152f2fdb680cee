package io.gatun.vring;

import io.gatun.linux.Memory;

/**
 * The driver's side of a split virtqueue (VIRTIO 1.3 §2.7).
 *
 * <p>What the driver must remember it keeps in its own arrays: the descriptor table is shared, so neither the free list
 * nor a chain's length is ever read back from it. Free descriptors form a linked list; a chain takes its descriptors in
 * list order, so the links are those of the chain, and freeing it costs one link whatever its length.
 *
 * <p>With VIRTIO_F_IN_ORDER the list is a circle that never changes (§2.7.5.2 asks for ring order), and one used entry
 * may stand for all buffers up to it (§2.7.9).
 *
 * <p>Memory is ordered as the table in {@code vring/README.md} says.
 */
final class SplitDriverQueue extends DriverQueue {
    private static final long FLAGS_NEXT = (long) SplitLayout.DESC_F_NEXT << 32;
    private static final long FLAGS_WRITE = (long) SplitLayout.DESC_F_WRITE << 32;
    private static final long FLAGS_INDIRECT = (long) SplitLayout.DESC_F_INDIRECT << 32;

    private final boolean indirect;
    private final boolean eventIdx;
    private final boolean inOrder;

    private final int mask;
    private final long descriptors;
    private final long avail;
    private final long availIdxAt;
    private final long availElements;
    private final long usedEventAt;
    private final long used;
    private final long usedIdxAt;
    private final long usedElements;
    private final long availEventAt;

    /** The free descriptor after each free one, and within a chain the descriptor after each. */
    private final int[] next;

    /** Of each head that is out: how many descriptors its chain has. 0 for every other descriptor. */
    private final int[] chainLength;

    /** Of each head of a prepared buffer: how many descriptors its chain has, out or not. 0 for every other one. */
    private final int[] preparedLength;

    /** Of each head that is out: its chain's last descriptor. */
    private final int[] chainTail;

    // In order only: what was made available, to walk through a batch that one used entry stands for.
    private final int[] headAt;
    private final int[] availPosition;
    private final long[] writableBytes;

    private int freeHead;
    private int free;
    private boolean suppressed;

    /** Where the next head goes; free-running, 16 bits, like all indices here. */
    private int availIdx;

    /** What the device has been told of {@link #availIdx}. */
    private int publishedIdx;

    /** The next used entry to read. */
    private int usedSeen;

    /** The used index as last read: entries before it are readable. */
    private int usedIdx;

    /** In order only: up to here, used buffers come from {@link #headAt} rather than from entries. */
    private int batchEnd;

    /** In order only: the length in the entry that stands for the batch; it belongs to the batch's last buffer. */
    private long batchLength;

    SplitDriverQueue(int size, long features, long hostAddress, long userAddress) {
        super(SplitLayout.requireSize(size), hostAddress, userAddress);
        indirect = VirtioFeatures.has(features, VirtioFeatures.INDIRECT_DESC);
        eventIdx = VirtioFeatures.has(features, VirtioFeatures.EVENT_IDX);
        inOrder = VirtioFeatures.has(features, VirtioFeatures.IN_ORDER);
        mask = size - 1;
        descriptors = hostAddress;
        avail = hostAddress + SplitLayout.availOffset(size);
        availIdxAt = avail + SplitLayout.RING_IDX;
        availElements = avail + SplitLayout.RING_ELEMENTS;
        usedEventAt = avail + SplitLayout.usedEvent(size);
        used = hostAddress + SplitLayout.usedOffset(size);
        usedIdxAt = used + SplitLayout.RING_IDX;
        usedElements = used + SplitLayout.RING_ELEMENTS;
        availEventAt = used + SplitLayout.availEvent(size);
        next = new int[size];
        chainLength = new int[size];
        chainTail = new int[size];
        preparedLength = new int[size];
        headAt = inOrder ? new int[size] : null;
        availPosition = inOrder ? new int[size] : null;
        writableBytes = inOrder ? new long[size] : null;
        for (int i = 0; i < size; i++) {
            next[i] = (i + 1) & mask;
        }
        free = size;
        // §2.7.10.1: the used ring's flags start as 0; the memory is zeroed, but it costs nothing to be sure.
        Memory.putShort(used + SplitLayout.RING_FLAGS, 0);
        Memory.putShort(avail + SplitLayout.RING_FLAGS, 0);
    }

    static long memoryBytes(int size) {
        return align(
                SplitLayout.usedOffset(SplitLayout.requireSize(size)) + SplitLayout.usedBytes(size), ALIGNMENT_BYTES);
    }

    @Override
    long descriptorHost() {
        return descriptors;
    }

    @Override
    long availHost() {
        return avail;
    }

    @Override
    long usedHost() {
        return used;
    }

    @Override
    public int free() {
        return free;
    }

    @Override
    public int add(long[] addresses, int[] lengths, int first, int readable, int writable) {
        int count = readable + writable;
        assert readable >= 0 && writable >= 0 && count > 0 : "a buffer has at least one segment";
        if (count > free || isBroken()) {
            return -1;
        }
        int head = freeHead;
        int tail = writeChain(addresses, lengths, first, readable, count);
        return enqueue(head, tail, count, lengths, first + readable, writable);
    }

    @Override
    public int nextId() {
        return free == 0 ? -1 : freeHead;
    }

    @Override
    public int addOne(long address, int lengthBytes, boolean writable) {
        if (free == 0 || isBroken()) {
            return -1;
        }
        int head = freeHead;
        long at = descriptors + ((long) head << SplitLayout.DESCRIPTOR_SHIFT);
        long word = (lengthBytes & 0xffff_ffffL) | (writable ? FLAGS_WRITE : 0);
        // A buffer that comes round under the same id is not written again: the line stays in both caches.
        if (Memory.getLong(at) != address) {
            Memory.putLong(at, address);
        }
        if (Memory.getLong(at + SplitLayout.DESCRIPTOR_LENGTH) != word) {
            Memory.putLong(at + SplitLayout.DESCRIPTOR_LENGTH, word);
        }
        freeHead = next[head];
        free--;
        chainLength[head] = 1;
        chainTail[head] = head;
        return makeAvailable(head, writable ? lengthBytes & 0xffff_ffffL : 0);
    }

    /** Writes the descriptors of a chain of {@code count} free ones and takes them; returns the last one. */
    private int writeChain(long[] addresses, int[] lengths, int first, int readable, int count) {
        int descriptor = freeHead;
        int tail = descriptor;
        long total = 0;
        for (int i = 0; i < count; i++) {
            long at = descriptors + ((long) descriptor << SplitLayout.DESCRIPTOR_SHIFT);
            int following = next[descriptor];
            long length = lengths[first + i] & 0xffff_ffffL;
            long flags = (i < readable ? 0 : FLAGS_WRITE) | (i < count - 1 ? FLAGS_NEXT : 0);
            Memory.putLong(at, addresses[first + i]);
            Memory.putLong(at + SplitLayout.DESCRIPTOR_LENGTH, length | flags | (long) following << 48);
            total += length;
            tail = descriptor;
            descriptor = following;
        }
        requireTotal(total);
        freeHead = descriptor;
        return tail;
    }

    @Override
    public int prepare(long[] addresses, int[] lengths, int first, int readable, int writable) {
        int count = readable + writable;
        assert readable >= 0 && writable >= 0 && count > 0 : "a buffer has at least one segment";
        // §2.7.5.2: in order, descriptors are taken in the order of the table.
        if (inOrder || count > free || isBroken()) {
            return -1;
        }
        int head = freeHead;
        writeChain(addresses, lengths, first, readable, count);
        preparedLength[head] = count;
        free -= count;
        return head;
    }

    @Override
    public void addPrepared(int id) {
        assert preparedLength[id] != 0 && chainLength[id] == 0 : "buffer " + id + " is not prepared, or outstanding";
        chainLength[id] = preparedLength[id];
        Memory.putShort(availElements + ((long) (availIdx & mask) << 1), id);
        availIdx = (availIdx + 1) & 0xffff;
    }

    @Override
    public int addIndirect(
            long tableHost, long tableGuest, long[] addresses, int[] lengths, int first, int readable, int writable) {
        int count = readable + writable;
        assert readable >= 0 && writable >= 0 && count > 0 : "a buffer has at least one segment";
        if (!indirect) {
            throw new IllegalStateException("VIRTIO_F_INDIRECT_DESC was not negotiated");
        }
        if (free == 0 || count > size || isBroken()) {
            return -1;
        }
        long total = 0;
        for (int i = 0; i < count; i++) {
            long at = tableHost + ((long) i << SplitLayout.DESCRIPTOR_SHIFT);
            long length = lengths[first + i] & 0xffff_ffffL;
            long flags = (i < readable ? 0 : FLAGS_WRITE) | (i < count - 1 ? FLAGS_NEXT | (i + 1L) << 48 : 0);
            Memory.putLong(at, addresses[first + i]);
            Memory.putLong(at + SplitLayout.DESCRIPTOR_LENGTH, length | flags);
            total += length;
        }
        requireTotal(total);
        int head = freeHead;
        long at = descriptors + ((long) head << SplitLayout.DESCRIPTOR_SHIFT);
        long tableBytes = (long) count << SplitLayout.DESCRIPTOR_SHIFT;
        Memory.putLong(at, tableGuest);
        Memory.putLong(at + SplitLayout.DESCRIPTOR_LENGTH, tableBytes | FLAGS_INDIRECT);
        freeHead = next[head];
        return enqueue(head, head, 1, lengths, first + readable, writable);
    }

    /** Puts a chain's head into the available ring; invisible to the device until {@link #publishAvailable}. */
    private int enqueue(int head, int tail, int descriptorCount, int[] lengths, int firstWritable, int writable) {
        free -= descriptorCount;
        chainLength[head] = descriptorCount;
        chainTail[head] = tail;
        long bytes = 0;
        for (int i = 0; i < writable; i++) {
            bytes += lengths[firstWritable + i] & 0xffff_ffffL;
        }
        return makeAvailable(head, bytes);
    }

    private int makeAvailable(int head, long writableLength) {
        int slot = availIdx & mask;
        if (inOrder) {
            writableBytes[head] = writableLength;
            headAt[slot] = head;
            availPosition[head] = availIdx;
        }
        Memory.putShort(availElements + ((long) slot << 1), head);
        availIdx = (availIdx + 1) & 0xffff;
        return head;
    }

    @Override
    public boolean publishAvailable() {
        int old = publishedIdx;
        int now = availIdx;
        if (now == old || isBroken()) {
            return false;
        }
        // Pairs with the device's acquiring load of idx: descriptors and elements are written before it moves
        // (§2.7.13.3.1).
        Memory.releaseFence();
        Memory.putShort(availIdxAt, now);
        publishedIdx = now;
        // Pairs with the device's fence between arming kicks and looking at idx again (§2.7.13.4.1).
        Memory.fullFence();
        if (eventIdx) {
            int event = Memory.getUnsignedShort(availEventAt);
            return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
        }
        return (Memory.getUnsignedShort(used + SplitLayout.RING_FLAGS) & SplitLayout.USED_F_NO_NOTIFY) == 0;
    }

    @Override
    public int popUsed() {
        int at = usedSeen;
        if (at == usedIdx && !loadUsedIdx()) {
            return -1;
        }
        if (inOrder) {
            return popInOrder(at);
        }
        long element = Memory.getLong(usedElements + ((long) (at & mask) * SplitLayout.USED_ELEMENT_BYTES));
        long id = element & 0xffff_ffffL;
        if (id >= size || chainLength[(int) id] == 0) {
            return breakQueue(notOutstanding(at, id));
        }
        usedSeen = (at + 1) & 0xffff;
        usedLength = element >>> 32;
        return release((int) id);
    }

    /** Reads how far the device is; false if there is nothing new, or if what it claims cannot be. */
    private boolean loadUsedIdx() {
        if (isBroken()) {
            return false;
        }
        // Pairs with the device's release before it moves idx: entries and written data are visible after it.
        int idx = Memory.loadAcquireShort(usedIdxAt);
        if (idx == usedSeen) {
            return false;
        }
        if (((idx - usedSeen) & 0xffff) > ((publishedIdx - usedSeen) & 0xffff)) {
            breakQueue("used idx moved from " + usedSeen + " to " + idx + ", but only "
                    + ((publishedIdx - usedSeen) & 0xffff) + " buffers were available");
            return false;
        }
        usedIdx = idx;
        return true;
    }

    /** §2.7.9: the entry at {@code at} may name a later buffer; all up to that one are used. */
    private int popInOrder(int at) {
        if (at == batchEnd) {
            long element = Memory.getLong(usedElements + ((long) (at & mask) * SplitLayout.USED_ELEMENT_BYTES));
            long id = element & 0xffff_ffffL;
            if (id >= size || chainLength[(int) id] == 0) {
                return breakQueue(notOutstanding(at, id));
            }
            int batch = ((availPosition[(int) id] - at) & 0xffff) + 1;
            if (batch > ((usedIdx - at) & 0xffff)) {
                return breakQueue("used entry " + at + " names buffer " + id + ", which is " + batch
                        + " buffers on, but used idx moved to " + usedIdx + " only");
            }
            batchEnd = (at + batch) & 0xffff;
            batchLength = element >>> 32;
        }
        int head = headAt[at & mask];
        usedSeen = (at + 1) & 0xffff;
        // A skipped buffer counts as wholly used.
        usedLength = usedSeen == batchEnd ? batchLength : writableBytes[head];
        int length = chainLength[head];
        chainLength[head] = 0;
        free += length;
        return head;
    }

    private int release(int head) {
        if (preparedLength[head] != 0) {
            chainLength[head] = 0;
            return head;
        }
        free += chainLength[head];
        chainLength[head] = 0;
        next[chainTail[head]] = freeHead;
        freeHead = head;
        return head;
    }

    private String notOutstanding(int at, long id) {
        return id >= size
                ? "used entry " + at + " names buffer " + id + ", beyond the queue's size " + size
                : "used entry " + at + " names buffer " + id + ", which is not outstanding";
    }

    @Override
    public void suppressCalls() {
        suppressed = true;
        if (eventIdx) {
            // §2.7.7.1: flags stay 0; an event index just behind us is 65536 buffers away.
            Memory.putShort(usedEventAt, usedSeen - 1);
        } else {
            Memory.putShort(avail + SplitLayout.RING_FLAGS, SplitLayout.AVAIL_F_NO_INTERRUPT);
        }
    }

    @Override
    public boolean armCalls() {
        if (eventIdx) {
            Memory.putShort(usedEventAt, usedSeen);
        } else if (suppressed) {
            Memory.putShort(avail + SplitLayout.RING_FLAGS, 0);
        }
        suppressed = false;
        // Pairs with the device's fence between moving idx and reading our wish: one of the two sees the other.
        Memory.fullFence();
        if (isBroken() || Memory.loadAcquireShort(usedIdxAt) == usedSeen) {
            return true;
        }
        suppressCalls();
        return false;
    }
}
