package io.gatun.vring;

import static io.gatun.vring.PackedLayout.DESCRIPTOR_FLAGS;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_ID;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_SHIFT;
import static io.gatun.vring.PackedLayout.DESCRIPTOR_WORD;
import static io.gatun.vring.PackedLayout.DESC_F_WRITE;
import static io.gatun.vring.PackedLayout.PHASE;
import static io.gatun.vring.PackedLayout.WORD_ID_SHIFT;

import io.gatun.linux.Memory;

/**
 * The used descriptors of a packed virtqueue, as the device writes them (VIRTIO 1.3 §2.8.6, §2.8.8).
 *
 * <p>A batch of used descriptors appears to the driver at once. The driver looks at one slot only, the next one it
 * expects a used descriptor in, so everything goes into the ring as it is put, except the flags of the batch's first
 * descriptor; they follow after one fence, in {@link #publish}. It spares a fence and a moved cache line per
 * descriptor.
 *
 * <p><b>Thread-safety:</b> the queue's owner thread.
 */
final class PackedUsed {
    private final int size;
    private final boolean inOrder;

    /** Host address of the ring, proven by the queue: every slot is in [0, size). */
    private long ring;

    /** The slot of the next used descriptor, and the flags that mark it used; ahead of what the driver sees. */
    private int next;

    private int phase;

    /** Slots put used and not yet published. */
    private int pendingSlots;

    /** The first used descriptor of the batch being put, or −1, and its flags, which are still to be written. */
    private int batchSlot = -1;

    private int batchFlags;

    // In order only: buffers that were used completely, and wait for a later one whose used descriptor stands for them.
    private boolean runWaits;
    private int runSlot;
    private int runPhase;
    private int runId;
    private long runBytes;

    PackedUsed(int size, boolean inOrder) {
        this.size = size;
        this.inOrder = inOrder;
    }

    void map(long ringAddress) {
        ring = ringAddress;
    }

    void start(int slot, int wrap) {
        next = slot;
        phase = wrap == 0 ? 0 : PHASE;
    }

    int next() {
        return next;
    }

    /** The wrap counter of {@link #next}: 0 or 1. */
    int wrap() {
        return phase == 0 ? 0 : 1;
    }

    int pendingSlots() {
        return pendingSlots;
    }

    /** Puts a buffer used that occupied {@code slots} slots. */
    void put(int id, int slots, long writtenBytes, long writableBytes) {
        if (inOrder) {
            putInOrder(id, slots, writtenBytes, writtenBytes == writableBytes);
        } else {
            write(next, phase, id, writtenBytes);
            advance(slots);
        }
    }

    void put(ChainBurst burst, int from, int to) {
        int i = from;
        while (i < to) {
            if (batchSlot >= 0 && !runWaits) {
                i = putBehind(burst, i, to);
            }
            if (i < to) {
                i = inOrder ? putInOrder(burst, i, to) : putOne(burst, i);
            }
        }
    }

    private int putOne(ChainBurst burst, int i) {
        write(next, phase, burst.ids[i], burst.writtenBytes[i]);
        advance(burst.descriptorCounts[i]);
        return i + 1;
    }

    /** Puts buffers that were used completely, up to and with the first that was not. */
    private int putInOrder(ChainBurst burst, int from, int to) {
        int slots = 0;
        int i = from;
        boolean complete = true;
        while (complete && i < to) {
            complete = burst.isComplete(i);
            slots += burst.descriptorCounts[i];
            i++;
        }
        putInOrder(burst.ids[i - 1], slots, burst.writtenBytes[i - 1], complete);
        return i;
    }

    /**
     * Chains that are not the first of a batch, in order up to one that was used completely; returns the first that is
     * left. State is in locals meanwhile.
     */
    private int putBehind(ChainBurst burst, int from, int to) {
        int[] ids = burst.ids;
        int[] counts = burst.descriptorCounts;
        int[] written = burst.writtenBytes;
        long base = Memory.base(ring);
        int slot = next;
        int mark = phase;
        int slots = 0;
        int i = from;
        for (; i < to && !(inOrder && burst.isComplete(i)); i++) {
            int bytes = written[i];
            int flags = bytes == 0 ? mark : mark | DESC_F_WRITE;
            long idAndFlags = (ids[i] | flags << 16) & 0xffff_ffffL;
            Memory.putLong(
                    base + ((long) slot << DESCRIPTOR_SHIFT) + DESCRIPTOR_WORD,
                    (bytes & 0xffff_ffffL) | idAndFlags << WORD_ID_SHIFT);
            slots += counts[i];
            slot += counts[i];
            if (slot >= size) {
                slot -= size;
                mark ^= PHASE;
            }
        }
        next = slot;
        phase = mark;
        pendingSlots += slots;
        return i;
    }

    private void advance(int slots) {
        pendingSlots += slots;
        int to = next + slots;
        if (to >= size) {
            to -= size;
            phase ^= PHASE;
        }
        next = to;
    }

    /** §2.8.8: one used descriptor may stand for all buffers up to its own if those before were used completely. */
    private void putInOrder(int id, int slots, long writtenBytes, boolean complete) {
        if (!runWaits) {
            runSlot = next;
            runPhase = phase;
            runWaits = true;
        }
        runId = id;
        runBytes = writtenBytes;
        advance(slots);
        if (!complete) {
            endRun();
        }
    }

    /** Nothing joins the run that waits: writes its used descriptor. */
    void endRun() {
        if (runWaits) {
            write(runSlot, runPhase, runId, runBytes);
            runWaits = false;
        }
    }

    /** Writes a used descriptor, once; of the batch's first all but the flags. */
    private void write(int slot, int slotPhase, int id, long writtenBytes) {
        int flags = writtenBytes == 0 ? slotPhase : slotPhase | DESC_F_WRITE;
        long at = ring + ((long) slot << DESCRIPTOR_SHIFT);
        if (batchSlot < 0) {
            batchSlot = slot;
            batchFlags = flags;
            Memory.putInt(at + DESCRIPTOR_WORD, (int) writtenBytes);
            Memory.putShort(at + DESCRIPTOR_ID, id);
        } else {
            long idAndFlags = id | flags << 16;
            Memory.putLong(at + DESCRIPTOR_WORD, (writtenBytes & 0xffff_ffffL) | (idAndFlags << WORD_ID_SHIFT));
        }
    }

    /** Shows the batch to the driver; there is one, and its last run has ended. */
    void publish() {
        // Release: pairs with the driver's acquire of these flags; data, the batch's ids, lengths and other flags come
        // before them.
        Memory.releaseFence();
        Memory.putShort(ring + ((long) batchSlot << DESCRIPTOR_SHIFT) + DESCRIPTOR_FLAGS, batchFlags);
        pendingSlots = 0;
        batchSlot = -1;
    }
}
