package io.gatun.vring;

import static io.gatun.vring.PackedLayout.DESCRIPTOR_FLAGS;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_ID;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_SHIFT;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_WORD;
import static io.gatun.vring.PackedLayout.DESC_F_AVAIL;
import static io.gatun.vring.PackedLayout.DESC_F_INDIRECT;
import static io.gatun.vring.PackedLayout.DESC_F_NEXT;
import static io.gatun.vring.PackedLayout.DESC_F_WRITE;
import static io.gatun.vring.PackedLayout.EVENT_DESCRIPTOR;
import static io.gatun.vring.PackedLayout.EVENT_DISABLE;
import static io.gatun.vring.PackedLayout.EVENT_ENABLE;
import static io.gatun.vring.PackedLayout.EVENT_FLAGS_SHIFT;
import static io.gatun.vring.PackedLayout.EVENT_WRAP_SHIFT;
import static io.gatun.vring.PackedLayout.PHASE;
import static io.gatun.vring.PackedLayout.WORD_FLAGS_SHIFT;
import static io.gatun.vring.PackedLayout.WORD_ID_SHIFT;

import io.gatun.linux.Memory;

/**
 * The driver's side of a packed virtqueue (VIRTIO 1.3 §2.8).
 *
 * <p>Buffer ids are ours to choose: a free list of them, and of each one that is out how many slots its buffer
 * occupies, which says where the next used descriptor will be. With VIRTIO_F_IN_ORDER ids come round in a circle, so
 * the buffers that one used descriptor stands for (§2.8.8) are those from the oldest to the named one.
 *
 * <p>As on the device side, a batch of buffers appears at once: only the flags of its first descriptor are left to
 * {@link #publishAvailable}.
 */
final class PackedDriverQueue extends DriverQueue {
    private final boolean indirect;
    private final boolean eventIdx;
    private final boolean inOrder;
    private final long ring;
    private final long driverEvent;
    private final long deviceEvent;

    /** The free id after each free one. */
    private final int[] nextId;

    /** Of each id that is out: how many slots its buffer occupies. 0 for every other id. */
    private final int[] slots;

    /** In order only: how many bytes the device may write into each buffer that is out. */
    private final long[] writableBytes;

    private int freeId;

    /** The next slot to make available, and the flags that do so. */
    private int nextAvail;

    private int availPhase = DESC_F_AVAIL;

    /** The slot of the next used descriptor, and the flags it has then. */
    private int nextUsed;

    private int usedPhase = PHASE;

    private int free;

    /** Slots that the device can see and has not used. */
    private int published;

    /** Slots added since the last publication; the first of them and its flags, which are still to be written. */
    private int added;

    private int firstSlot;
    private int firstFlags;

    /** In order only: the oldest id that is out, and the one that the current used descriptor names, or −1. */
    private int oldestId;

    private int batchId = -1;
    private long batchLength;

    private boolean suppressed;

    PackedDriverQueue(int size, long features, long hostAddress, long userAddress) {
        super(PackedLayout.requireSize(size), hostAddress, userAddress);
        indirect = VirtioFeatures.has(features, VirtioFeatures.INDIRECT_DESC);
        eventIdx = VirtioFeatures.has(features, VirtioFeatures.EVENT_IDX);
        inOrder = VirtioFeatures.has(features, VirtioFeatures.IN_ORDER);
        ring = hostAddress;
        driverEvent = hostAddress + PackedLayout.driverEventOffset(size);
        deviceEvent = hostAddress + PackedLayout.deviceEventOffset(size);
        nextId = new int[size];
        slots = new int[size];
        writableBytes = inOrder ? new long[size] : null;
        for (int i = 0; i < size; i++) {
            nextId[i] = i + 1 == size ? 0 : i + 1;
        }
        free = size;
    }

    static long memoryBytes(int size) {
        return align(PackedLayout.deviceEventOffset(PackedLayout.requireSize(size)) + PART_ALIGNMENT, ALIGNMENT_BYTES);
    }

    @Override
    long descriptorHost() {
        return ring;
    }

    @Override
    long availHost() {
        return driverEvent;
    }

    @Override
    long usedHost() {
        return deviceEvent;
    }

    @Override
    public int free() {
        return free;
    }

    private long slot(int index) {
        return ring + ((long) index << DESCRIPTOR_SHIFT);
    }

    @Override
    public int add(long[] addresses, int[] lengths, int first, int readable, int writable) {
        int count = readable + writable;
        assert readable >= 0 && writable >= 0 && count > 0 : "a buffer has at least one segment";
        if (count > free || isBroken()) {
            return -1;
        }
        requireTotal(lengths, first, count);
        int id = takeId(count, lengths, first + readable, writable);
        for (int i = 0; i < count; i++) {
            int flags = (i < readable ? 0 : DESC_F_WRITE) | (i < count - 1 ? DESC_F_NEXT : 0);
            place(addresses[first + i], lengths[first + i], id, flags);
        }
        return id;
    }

    @Override
    public int nextId() {
        return free == 0 ? -1 : freeId;
    }

    @Override
    public int addOne(long address, int lengthBytes, boolean writable) {
        if (free == 0 || isBroken()) {
            return -1;
        }
        int id = freeId;
        freeId = nextId[id];
        slots[id] = 1;
        if (inOrder) {
            writableBytes[id] = writable ? lengthBytes & 0xffff_ffffL : 0;
        }
        place(address, lengthBytes, id, writable ? DESC_F_WRITE : 0);
        return id;
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
        requireTotal(lengths, first, count);
        for (int i = 0; i < count; i++) {
            long at = tableHost + ((long) i << DESCRIPTOR_SHIFT);
            // §2.8.7: WRITE is the only flag in a table; ids are reserved.
            long flags = i < readable ? 0 : (long) DESC_F_WRITE << WORD_FLAGS_SHIFT;
            Memory.putLong(at, addresses[first + i]);
            Memory.putLong(at + DESCRIPTOR_WORD, (lengths[first + i] & 0xffff_ffffL) | flags);
        }
        int id = takeId(1, lengths, first + readable, writable);
        place(tableGuest, count << DESCRIPTOR_SHIFT, id, DESC_F_INDIRECT);
        return id;
    }

    private int takeId(int slotCount, int[] lengths, int firstWritable, int writable) {
        int id = freeId;
        freeId = nextId[id];
        slots[id] = slotCount;
        if (inOrder) {
            long bytes = 0;
            for (int i = 0; i < writable; i++) {
                bytes += lengths[firstWritable + i] & 0xffff_ffffL;
            }
            writableBytes[id] = bytes;
        }
        return id;
    }

    /** Writes the next descriptor, all of it unless it is the batch's first. */
    private void place(long address, int length, int id, int flags) {
        long at = slot(nextAvail);
        int marked = flags | availPhase;
        Memory.putLong(at, address);
        if (added == 0) {
            firstSlot = nextAvail;
            firstFlags = marked;
            Memory.putInt(at + DESCRIPTOR_WORD, length);
            Memory.putShort(at + DESCRIPTOR_ID, id);
        } else {
            long idAndFlags = id | marked << 16;
            Memory.putLong(at + DESCRIPTOR_WORD, (length & 0xffff_ffffL) | (idAndFlags << WORD_ID_SHIFT));
        }
        added++;
        free--;
        nextAvail++;
        if (nextAvail == size) {
            nextAvail = 0;
            availPhase ^= PHASE;
        }
    }

    @Override
    public boolean publishAvailable() {
        int batch = added;
        if (batch == 0 || isBroken()) {
            return false;
        }
        // Pairs with the device's acquiring load of these flags: the batch is written before they are (§2.8.21.1.1).
        Memory.releaseFence();
        Memory.putShort(slot(firstSlot) + DESCRIPTOR_FLAGS, firstFlags);
        published += batch;
        added = 0;
        // Pairs with the device's fence between arming kicks and looking at the ring again (§2.8.21.3.1).
        Memory.fullFence();
        long event = Memory.getUnsignedInt(deviceEvent);
        int flags = (int) (event >>> EVENT_FLAGS_SHIFT) & PackedLayout.EVENT_FLAGS_MASK;
        if (flags != EVENT_DESCRIPTOR || !eventIdx) {
            return flags != EVENT_DISABLE;
        }
        // Positions on one line that does not wrap: this lap's are [0, size), the last one's are below 0.
        int position = (int) event & PackedLayout.EVENT_OFFSET_MASK;
        int wrap = (int) (event >>> EVENT_WRAP_SHIFT) & 1;
        if (wrap != wrapOf(availPhase)) {
            position -= size;
        }
        return position < nextAvail && position >= nextAvail - batch;
    }

    /** The wrap counter in the AVAIL flag of a phase. */
    private static int wrapOf(int phase) {
        return (phase & DESC_F_AVAIL) == 0 ? 0 : 1;
    }

    @Override
    public int popUsed() {
        if (inOrder && batchId >= 0) {
            return popOldest();
        }
        if (!hasUsed()) {
            return -1;
        }
        long word = Memory.getLong(slot(nextUsed) + DESCRIPTOR_WORD);
        int id = (int) (word >>> WORD_ID_SHIFT) & 0xffff;
        if (id >= size || slots[id] == 0) {
            return breakQueue("the used descriptor in slot " + nextUsed + " names buffer " + id
                    + (id >= size ? ", beyond the queue's size " + size : ", which is not outstanding"));
        }
        // Without WRITE the length is reserved (§2.8.4). The flags are final: they were there when hasUsed looked.
        boolean wrote = ((int) (word >>> WORD_FLAGS_SHIFT) & DESC_F_WRITE) != 0;
        long length = wrote ? word & 0xffff_ffffL : 0;
        if (inOrder) {
            return popBatch(id, length);
        }
        if (slots[id] > published) {
            return breakQueue("buffer " + id + " was used before it was available");
        }
        usedLength = length;
        int taken = slots[id];
        slots[id] = 0;
        nextId[id] = freeId;
        freeId = id;
        skip(taken);
        return id;
    }

    /** Whether the device has used the next slot; it may do so only with slots that it can see. */
    private boolean hasUsed() {
        // Acquire: pairs with the device's release before it writes the flags; id, length and data are visible after.
        return published != 0
                && !isBroken()
                && (Memory.loadAcquireShort(slot(nextUsed) + DESCRIPTOR_FLAGS) & PHASE) == usedPhase;
    }

    private void skip(int count) {
        free += count;
        published -= count;
        nextUsed += count;
        if (nextUsed >= size) {
            nextUsed -= size;
            usedPhase ^= PHASE;
        }
    }

    /** §2.8.8: a used descriptor stands for all buffers from the oldest to the one it names. */
    private int popBatch(int id, long length) {
        int total = 0;
        for (int each = oldestId; ; each = nextId[each]) {
            total += slots[each];
            if (total > published) {
                return breakQueue("buffer " + id + " was used before it was available");
            }
            if (each == id) {
                break;
            }
        }
        batchId = id;
        batchLength = length;
        return popOldest();
    }

    private int popOldest() {
        int id = oldestId;
        oldestId = nextId[id];
        if (id == batchId) {
            usedLength = batchLength;
            batchId = -1;
        } else {
            // A skipped buffer counts as wholly used.
            usedLength = writableBytes[id];
        }
        int taken = slots[id];
        slots[id] = 0;
        skip(taken);
        return id;
    }

    @Override
    public void suppressCalls() {
        if (!suppressed) {
            Memory.putInt(driverEvent, EVENT_DISABLE << EVENT_FLAGS_SHIFT);
            suppressed = true;
        }
    }

    @Override
    public boolean armCalls() {
        int event = EVENT_ENABLE << EVENT_FLAGS_SHIFT;
        if (eventIdx) {
            event = EVENT_DESCRIPTOR << EVENT_FLAGS_SHIFT | wrapOf(usedPhase) << EVENT_WRAP_SHIFT | nextUsed;
        }
        // One store: the device never sees the offset of one wish with the flags of another.
        Memory.putInt(driverEvent, event);
        suppressed = false;
        // Pairs with the device's fence between publishing used descriptors and reading our wish (§2.8.22).
        Memory.fullFence();
        if (batchId < 0 && !hasUsed()) {
            return true;
        }
        suppressCalls();
        return false;
    }
}
