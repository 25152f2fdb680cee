package io.gatun.daemon.bench;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vring.DriverQueue;

/**
 * Requests over a virtqueue: header, data and status byte, three direct descriptors.
 *
 * <p>Each slot has its own header, buffer and status byte for the whole run. On a split ring its descriptors are
 * written once, so that the device keeps them in its cache. Headers lie side by side, four to a cache line, and so do
 * the status bytes: a burst of requests moves few lines between the two sides.
 */
final class VhostTransport extends BlkTransport {
    private static final int SEGMENTS = 3;
    private static final int PAGE = 4096;

    /** What servers commonly take at most. */
    private static final int COMMON_RING_LIMIT = 1024;

    private static final int LEAST_RING = 128;
    private static final byte SPOILT = (byte) 0xff;

    private final FrontendQueue queue;
    private final DriverQueue ring;
    private final int blockBytes;
    private final long data;
    private final long headers;
    private final long statuses;

    /** Header, data, status of each slot, for rings that take them anew each time. */
    private final long[] addresses;

    private final int[] lengths;

    /** The ring's ids of each slot's prepared read and write, or -1. */
    private final int[] readIds;

    private final int[] writeIds;

    private final int[] slotOfId;
    private final boolean[] isWrite;
    private final boolean careful;
    private long kicks;

    /**
     * A transport of {@code slots} slots over a queue that runs and is empty.
     *
     * @param reads whether there will be reads
     * @param writes whether there will be writes
     * @param careful whether status bytes are spoilt before each request, so that one that is not written shows
     */
    VhostTransport(
            FrontendQueue queue,
            SharedMemory memory,
            int slots,
            int blockBytes,
            boolean reads,
            boolean writes,
            boolean careful) {
        this.queue = queue;
        this.ring = queue.driver();
        this.blockBytes = blockBytes;
        this.careful = careful;
        data = memory.allocate((long) slots * blockBytes, PAGE);
        headers = memory.allocate((long) slots * VirtioBlk.HEADER_BYTES, PAGE);
        statuses = memory.allocate(slots, 128);
        addresses = new long[slots * SEGMENTS];
        lengths = new int[slots * SEGMENTS];
        readIds = new int[slots];
        writeIds = new int[slots];
        slotOfId = new int[ring.size()];
        isWrite = new boolean[slots];
        // Without room for every slot in every direction none is prepared, so that there is room for those in flight.
        boolean room = ring.size() >= slots * SEGMENTS * (reads && writes ? 2 : 1);
        for (int slot = 0; slot < slots; slot++) {
            setUp(slot, memory);
            readIds[slot] = room && reads ? prepare(slot, false) : -1;
            writeIds[slot] = room && writes ? prepare(slot, true) : -1;
        }
        ring.suppressCalls();
    }

    /** How much shared memory a transport takes, beside the ring. */
    static long memoryBytes(int slots, int blockBytes) {
        return (long) slots * blockBytes + (long) slots * VirtioBlk.HEADER_BYTES + PAGE + slots + 128 + PAGE;
    }

    /** The least ring for so many requests, prepared for both directions where needed; a power of two. */
    static int ringSize(int slots, boolean both) {
        boolean prepared = both && slots * SEGMENTS * 2 <= COMMON_RING_LIMIT;
        int descriptors = slots * SEGMENTS * (prepared ? 2 : 1);
        return Math.max(LEAST_RING, Integer.highestOneBit(descriptors * 2 - 1));
    }

    private void setUp(int slot, SharedMemory memory) {
        int at = slot * SEGMENTS;
        addresses[at] = memory.toGuest(header(slot));
        lengths[at] = VirtioBlk.HEADER_BYTES;
        addresses[at + 1] = memory.toGuest(dataAddress(slot));
        lengths[at + 1] = blockBytes;
        addresses[at + 2] = memory.toGuest(statuses + slot);
        lengths[at + 2] = 1;
        Memory.putLong(header(slot), VirtioBlk.T_IN);
    }

    private int prepare(int slot, boolean write) {
        int readable = write ? 2 : 1;
        int id = ring.prepare(addresses, lengths, slot * SEGMENTS, readable, SEGMENTS - readable);
        if (id >= 0) {
            slotOfId[id] = slot;
        }
        return id;
    }

    @Override
    long dataAddress(int slot) {
        return data + (long) slot * blockBytes;
    }

    private long header(int slot) {
        return headers + (long) slot * VirtioBlk.HEADER_BYTES;
    }

    @Override
    void submit(int slot, boolean write, long offsetBytes) {
        long header = header(slot);
        if (isWrite[slot] != write) {
            isWrite[slot] = write;
            Memory.putInt(header + VirtioBlk.HEADER_TYPE, write ? VirtioBlk.T_OUT : VirtioBlk.T_IN);
        }
        if (careful) {
            Memory.putByte(statuses + slot, SPOILT);
        }
        Memory.putLong(header + VirtioBlk.HEADER_SECTOR, offsetBytes >>> VirtioBlk.SECTOR_SHIFT);
        int id = write ? writeIds[slot] : readIds[slot];
        if (id >= 0) {
            ring.addPrepared(id);
            return;
        }
        int readable = write ? 2 : 1;
        id = ring.add(addresses, lengths, slot * SEGMENTS, readable, SEGMENTS - readable);
        if (id >= 0) {
            // A broken ring takes nothing; pop and failure tell.
            slotOfId[id] = slot;
        }
    }

    @Override
    void publish() {
        if (ring.publishAvailable()) {
            kicks++;
            queue.kick();
        }
    }

    @Override
    int pop() {
        int id = ring.popUsed();
        return id < 0 ? -1 : slotOfId[id];
    }

    @Override
    int status(int slot) {
        return Memory.getByte(statuses + slot);
    }

    @Override
    String failure() {
        if (ring.isBroken()) {
            return "the device broke the ring: " + ring.brokenReason();
        }
        return queue.takeError() ? "the server says that the ring is broken" : null;
    }

    @Override
    long kicks() {
        return kicks;
    }
}
