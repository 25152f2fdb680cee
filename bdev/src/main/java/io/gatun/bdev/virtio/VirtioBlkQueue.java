package io.gatun.bdev.virtio;

import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.bdev.RateLimit;
import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.DeviceQueue;

/**
 * Serves one request queue (VIRTIO 1.3 §5.2.6).
 *
 * <p>A poll takes a burst of chains, hands each to the block device's channel as soon as it is framed and checked,
 * sends the burst, takes what has completed, and publishes once. Requests live in slots that were made at the start:
 * one for each descriptor, so a guest cannot have more in flight, and nothing is allocated for a request.
 *
 * <p>A request that the specification forbids is answered with a status; a chain that cannot be answered breaks the
 * queue. If the guest's memory vanishes, {@link #poll} throws, possibly late; from then on
 * it only collects what the block device still has in hand.
 *
 * <p>Longer than a file should be: a request's way from its chain to its status, with every refusal, is one story.
 *
 * <p><b>Thread-safety:</b> the ring's reactor thread only.
 */
final class VirtioBlkQueue implements QueueHandler {
    private static final int REAPED_AT_ONCE = 64;

    /**
     * Chains popped and framed before the first of them is started: their cache misses overlap, where one after the
     * other each would wait for its own.
     */
    private static final int STAGED_AT_ONCE = 8;

    /** Chains put back before they are published in the middle of a burst: the driver works on them meanwhile. */
    private static final int PUBLISHED_AT_ONCE = 16;

    /** No more chains are taken in a poll that has taken this much: the other rings of the reactor wait for it. */
    private static final long BYTES_PER_POLL = 32 << 20;

    private final VirtioBlkDevice device;
    private final Vring vring;
    private final DeviceQueue queue;
    private final BdevChannel channel;
    private final BlkCounters counters;
    private final boolean readOnly;
    private final int blockSectors;

    /** Whether requests may pend: then an error of vanished memory must not hide what the channel was given. */
    private final boolean mayPend;

    private final BlkSlot[] slots;

    /** A stack of slots without a chain. */
    private final BlkSlot[] free;

    private int freeCount;

    /** Chains popped and not started yet. */
    private final BlkSlot[] staged = new BlkSlot[STAGED_AT_ONCE];

    /** What the channel gave back and is not finished yet; fields, so that an exception in between loses none. */
    private final BdevRequest[] reaped = new BdevRequest[REAPED_AT_ONCE];

    private int reapedCount;
    private int reapedNext;

    /** Chains put back since the last publication. */
    private int unpublished;

    /** The device's capacity when it was last asked for: again only when a request lies beyond. */
    private long capacitySectors;

    /** Bytes of all chains taken in this poll. */
    private long bytesTaken;

    /** A poll is under way, or threw: then nothing but the channel knows what is in flight. */
    private boolean interrupted;

    VirtioBlkQueue(VirtioBlkDevice device, Vring vring, BdevChannel channel, BlkCounters counters) {
        this.device = device;
        this.vring = vring;
        this.queue = vring.queue();
        this.channel = channel;
        this.mayPend = channel.wakeFd() >= 0;
        this.counters = counters;
        this.readOnly = device.readOnly();
        this.blockSectors = device.blockSectors();
        this.capacitySectors = device.capacitySectors();
        slots = new BlkSlot[queue.size()];
        free = new BlkSlot[queue.size()];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = new BlkSlot(i);
            free[i] = slots[i];
        }
        freeCount = slots.length;
    }

    @Override
    public int poll(int maxChains) {
        if (interrupted) {
            return drain();
        }
        interrupted = true;
        int work = serve(maxChains);
        interrupted = false;
        return work;
    }

    private int serve(int maxChains) {
        int work = freeCount == slots.length ? 0 : reap();
        RateLimit limit = device.rateLimit();
        int left = limit == null ? maxChains : limit.admit(maxChains);
        int started = 0;
        bytesTaken = 0;
        while (left > 0) {
            int count = stage(Math.min(left, STAGED_AT_ONCE));
            for (int i = 0; i < count; i++) {
                start(staged[i]);
                if (limit != null) {
                    charge(limit, staged[i]);
                }
            }
            left -= count;
            started += count;
            if (count < STAGED_AT_ONCE) {
                break;
            }
            if (unpublished >= PUBLISHED_AT_ONCE) {
                publish();
            }
        }
        if (freeCount != slots.length) {
            channel.flush();
            work += reap();
        }
        publish();
        return work + started;
    }

    /** The guest's memory vanished within a poll: only waits for the block device to let go of it. */
    private int drain() {
        channel.flush();
        return channel.poll(reaped);
    }

    private void publish() {
        int done = unpublished;
        if (done != 0) {
            unpublished = 0;
            vring.publish(done);
        }
    }

    /** Pops and frames up to {@code atMost} chains; returns how many. */
    private int stage(int atMost) {
        int count = 0;
        while (count < atMost && freeCount != 0 && bytesTaken < BYTES_PER_POLL) {
            BlkSlot slot = free[freeCount - 1];
            if (!queue.pop(slot.chain)) {
                break;
            }
            freeCount--;
            bytesTaken += slot.chain.readableBytes + slot.chain.writableBytes;
            staged[count] = slot;
            count++;
        }
        for (int i = 0; i < count; i++) {
            staged[i].frame();
        }
        if (mayPend && count != 0) {
            Memory.settle();
        }
        return count;
    }

    private static void charge(RateLimit limit, BlkSlot slot) {
        limit.charge(
                slot.type == VirtioBlk.T_IN ? slot.inBytes() : 0, slot.type == VirtioBlk.T_OUT ? slot.outBytes() : 0);
    }

    private void start(BlkSlot slot) {
        if (!slot.framed) {
            release(slot);
            queue.breakQueue("a virtio-blk request has no device-writable byte for its status");
            return;
        }
        if (!slot.hasHeader()) {
            refuse(slot, VirtioBlk.S_IOERR, "a header of " + slot.chain.readableBytes + " bytes instead of 16");
            return;
        }
        int type = slot.type;
        if (type == VirtioBlk.T_IN) {
            slot.flushAfter = false;
            transfer(slot, BdevRequest.READ, slot.inFirst, slot.inCount, slot.inBytes());
        } else if (type == VirtioBlk.T_OUT) {
            slot.flushAfter = device.writesThrough();
            transfer(slot, BdevRequest.WRITE, slot.outFirst, slot.outCount, slot.outBytes());
        } else {
            startOther(slot, type);
        }
    }

    private void transfer(BlkSlot slot, int operation, int first, int count, long bytes) {
        long sector = slot.sector;
        long sectors = bytes >>> VirtioBlk.SECTOR_SHIFT;
        // A sector is unsigned: what reads as negative is beyond every capacity.
        if (sectors == 0
                || bytes > BlkConfig.MAX_BYTES
                || (bytes & (VirtioBlk.SECTOR_BYTES - 1)) != 0
                || ((sector | sectors) & (blockSectors - 1)) != 0
                || sector < 0
                || sector > capacitySectors - sectors
                || (readOnly && operation == BdevRequest.WRITE)) {
            if (!passesOnSecondLook(slot, operation, bytes)) {
                return;
            }
        }
        BdevRequest request = slot.request;
        request.operation = operation;
        request.offsetBytes = sector << VirtioBlk.SECTOR_SHIFT;
        request.lengthBytes = bytes;
        request.firstSegment = first;
        request.segmentCount = count;
        if (request.lengths.length != slot.chain.lengths.length) {
            // The chain has grown. Not at every request: storing a reference costs more than this comparison.
            slot.shareSegments();
        }
        int result = channel.submit(request);
        if (result == 0 && !slot.flushAfter) {
            succeed(slot);
        } else {
            goOn(slot, result);
        }
    }

    /** Refuses a transfer with its reason, unless the disk has grown and now holds it. */
    private boolean passesOnSecondLook(BlkSlot slot, int operation, long bytes) {
        capacitySectors = device.capacitySectors();
        long sector = slot.sector;
        long sectors = bytes >>> VirtioBlk.SECTOR_SHIFT;
        String name = BdevRequest.operationName(operation);
        if (readOnly && operation == BdevRequest.WRITE) {
            refuse(slot, VirtioBlk.S_IOERR, "a write to a read-only disk");
        } else if (bytes > BlkConfig.MAX_BYTES) {
            refuse(slot, VirtioBlk.S_IOERR, "a " + name + " of " + bytes + " bytes, more than seg_max times size_max");
        } else if (sectors == 0 || (bytes & (VirtioBlk.SECTOR_BYTES - 1)) != 0) {
            refuse(slot, VirtioBlk.S_IOERR, "a " + name + " of " + bytes + " bytes, not a positive multiple of 512");
        } else if (sector < 0 || sector > capacitySectors - sectors) {
            refuse(slot, VirtioBlk.S_IOERR, "a " + name + " of " + sectors + " sectors from "
                    + Long.toUnsignedString(sector) + " on, beyond the capacity of " + capacitySectors);
        } else if (((sector | sectors) & (blockSectors - 1)) != 0) {
            refuse(slot, VirtioBlk.S_IOERR, "a " + name + " of " + sectors + " sectors from " + sector
                    + " on, not whole blocks of " + blockSectors + " sectors");
        } else {
            return true;
        }
        return false;
    }

    private void startOther(BlkSlot slot, int type) {
        slot.flushAfter = false;
        switch (type) {
            case VirtioBlk.T_FLUSH -> {
                // Without data and without a range: what a driver adds to it is ignored.
                goOn(slot, submitFlush(slot));
            }
            case VirtioBlk.T_GET_ID -> getId(slot);
            case VirtioBlk.T_DISCARD -> startRanges(slot, BdevRequest.DISCARD);
            case VirtioBlk.T_WRITE_ZEROES -> startRanges(slot, BdevRequest.WRITE_ZEROES);
            default ->
                refuse(slot, VirtioBlk.S_UNSUPP, "a request of the unknown type " + Integer.toUnsignedString(type));
        }
    }

    private int submitFlush(BlkSlot slot) {
        BdevRequest request = slot.request;
        request.operation = BdevRequest.FLUSH;
        request.offsetBytes = 0;
        request.lengthBytes = 0;
        request.segmentCount = 0;
        return channel.submit(request);
    }

    private void startRanges(BlkSlot slot, int operation) {
        String name = BdevRequest.operationName(operation);
        if (readOnly) {
            refuse(slot, VirtioBlk.S_IOERR, "a " + name + " on a read-only disk");
            return;
        }
        if (!device.supports(operation)) {
            refuse(slot, VirtioBlk.S_UNSUPP, "a " + name + ", which the block device does not support");
            return;
        }
        if (slot.ranges == null) {
            slot.ranges = new BlkRanges();
        }
        capacitySectors = device.capacitySectors();
        byte status = slot.ranges.fetch(slot, operation == BdevRequest.DISCARD, capacitySectors, blockSectors);
        if (status != VirtioBlk.S_OK) {
            refuse(slot, status, "a " + name + " with " + slot.ranges.problem);
            return;
        }
        slot.flushAfter = device.writesThrough();
        slot.request.operation = operation;
        slot.request.segmentCount = 0;
        goOn(slot, 0);
    }

    private void getId(BlkSlot slot) {
        long room = slot.inBytes();
        if (room < 1 || room > VirtioBlk.SECTOR_BYTES) {
            refuse(slot, VirtioBlk.S_IOERR, "a buffer of " + room + " bytes for the 20 of the disk's identity");
            return;
        }
        byte[] id = device.id();
        int at = 0;
        for (int i = slot.inFirst; i < slot.inFirst + slot.inCount; i++) {
            for (int j = 0; j < slot.chain.lengths[i]; j++, at++) {
                Memory.putByte(slot.chain.addresses[i] + j, at < id.length ? id[at] : 0);
            }
        }
        finish(slot, VirtioBlk.S_OK, slot.chain.writableBytes);
    }

    /** Takes a request on from the result of its last step until it pends or is finished. */
    private void goOn(BlkSlot slot, int lastResult) {
        int result = lastResult;
        while (result == 0) {
            if (slot.ranges != null && slot.ranges.hasNext()) {
                slot.ranges.next(slot.request);
                result = channel.submit(slot.request);
            } else if (slot.flushAfter) {
                slot.flushAfter = false;
                result = submitFlush(slot);
            } else {
                succeed(slot);
                return;
            }
        }
        if (result < 0) {
            fail(slot, result);
        }
    }

    private void succeed(BlkSlot slot) {
        int type = slot.type;
        if (type == VirtioBlk.T_IN) {
            counters.read(slot.inBytes());
            finish(slot, VirtioBlk.S_OK, slot.chain.writableBytes);
            return;
        }
        if (type == VirtioBlk.T_OUT) {
            counters.wrote(slot.outBytes());
        } else if (type == VirtioBlk.T_FLUSH) {
            counters.flushed();
        } else if (type == VirtioBlk.T_DISCARD) {
            counters.discarded();
        } else {
            counters.wroteZeroes();
        }
        finish(slot, VirtioBlk.S_OK, statusOnly(slot));
    }

    private void fail(BlkSlot slot, int error) {
        counters.failed();
        if (slot.ranges != null) {
            slot.ranges.clear();
        }
        byte status = error == -Errno.EOPNOTSUPP ? VirtioBlk.S_UNSUPP : VirtioBlk.S_IOERR;
        finish(slot, status, statusOnly(slot));
    }

    private void refuse(BlkSlot slot, byte status, String reason) {
        counters.refusedOne();
        device.refused(vring.index(), reason);
        finish(slot, status, statusOnly(slot));
    }

    /**
     * What used length a request gets that wrote no data: the length counts from the first writable byte without gaps
     * (§2.7.8.2), so a status behind a buffer that was left alone does not count.
     */
    private static long statusOnly(BlkSlot slot) {
        return slot.chain.writableBytes == 1 ? 1 : 0;
    }

    private void finish(BlkSlot slot, byte status, long writtenBytes) {
        // First the slot, then the guest's memory: if that is gone, the slot is free all the same.
        release(slot);
        Memory.putByte(slot.statusAddress, status);
        queue.putUsed(slot.chain, writtenBytes);
        unpublished++;
    }

    private void release(BlkSlot slot) {
        free[freeCount] = slot;
        freeCount++;
    }

    /** Finishes what the channel has completed; returns how many steps that were. */
    private int reap() {
        int work = 0;
        while (reapedNext < reapedCount || refill() != 0) {
            BdevRequest request = reaped[reapedNext];
            reapedNext++;
            work++;
            goOn(slots[request.tag], request.status);
        }
        if (work != 0) {
            // Follow-up steps, such as the flush after a write.
            channel.flush();
        }
        return work;
    }

    private int refill() {
        if (reapedCount != 0) {
            // An error of the requests just finished must not cut the channel's own work short.
            Memory.settle();
        }
        reapedNext = 0;
        reapedCount = channel.poll(reaped);
        return reapedCount;
    }

    @Override
    public int inFlight() {
        return interrupted ? channel.inFlight() : slots.length - freeCount;
    }

    @Override
    public boolean arm() {
        return channel.arm();
    }

    @Override
    public void disarm() {
        channel.disarm();
    }

    @Override
    public int wakeFd() {
        return channel.wakeFd();
    }

    @Override
    public void close() {
        channel.close();
    }
}
