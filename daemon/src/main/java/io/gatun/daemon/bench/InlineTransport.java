package io.gatun.daemon.bench;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.linux.Memory;

/**
 * No device: each request is done when it is popped, by a copy to or from RAM or by nothing. The client's own ceiling.
 */
final class InlineTransport extends BlkTransport {
    private final long disk;
    private final boolean copies;
    private final long data;
    private final int blockBytes;

    private final long[] offsets;
    private final boolean[] writes;
    private final int[] waiting;
    private int first;
    private int count;

    /**
     * A transport of {@code slots} slots.
     *
     * @param disk where the disk's bytes lie; nothing is copied if it is 0
     * @param data where the slots' buffers lie, {@code slots * blockBytes} bytes
     */
    InlineTransport(long disk, long data, int slots, int blockBytes) {
        this.disk = disk;
        this.copies = disk != 0;
        this.data = data;
        this.blockBytes = blockBytes;
        this.offsets = new long[slots];
        this.writes = new boolean[slots];
        this.waiting = new int[slots];
    }

    @Override
    long dataAddress(int slot) {
        return data + (long) slot * blockBytes;
    }

    @Override
    void submit(int slot, boolean write, long offsetBytes) {
        offsets[slot] = offsetBytes;
        writes[slot] = write;
        int at = first + count++;
        waiting[at < waiting.length ? at : at - waiting.length] = slot;
    }

    @Override
    void publish() {}

    @Override
    int pop() {
        if (count == 0) {
            return -1;
        }
        int slot = waiting[first];
        first = first + 1 == waiting.length ? 0 : first + 1;
        count--;
        if (copies) {
            long onDisk = disk + offsets[slot];
            long buffer = dataAddress(slot);
            Memory.copy(writes[slot] ? buffer : onDisk, writes[slot] ? onDisk : buffer, blockBytes);
        }
        return slot;
    }

    @Override
    int status(int slot) {
        return VirtioBlk.S_OK;
    }

    @Override
    String failure() {
        return null;
    }

    @Override
    long kicks() {
        return 0;
    }
}
