package io.gatun.daemon.bench;

import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.bdev.virtio.VirtioBlk;

/** Requests to a block device of this process, through a channel of the queue's own. */
final class BdevTransport extends BlkTransport {
    private static final int BURST = 32;

    private final BdevChannel channel;
    private final BdevRequest[] requests;
    private final BdevRequest[] completed = new BdevRequest[BURST];

    // Of completed: those that were not popped yet.
    private int next;
    private int count;

    /** Requests that were done at once, of which nothing comes out of the channel. */
    private final int[] done;

    private int doneCount;

    /**
     * A transport of {@code slots} slots.
     *
     * @param channel owned by the transport
     * @param data where the slots' buffers lie, {@code slots * blockBytes} bytes that the device reaches
     */
    BdevTransport(BdevChannel channel, long data, int slots, int blockBytes) {
        this.channel = channel;
        requests = new BdevRequest[slots];
        done = new int[slots];
        for (int slot = 0; slot < slots; slot++) {
            BdevRequest request = new BdevRequest();
            request.addresses = new long[] {data + (long) slot * blockBytes};
            request.lengths = new int[] {blockBytes};
            request.segmentCount = 1;
            request.lengthBytes = blockBytes;
            request.tag = slot;
            requests[slot] = request;
        }
    }

    @Override
    long dataAddress(int slot) {
        return requests[slot].addresses[0];
    }

    @Override
    void submit(int slot, boolean write, long offsetBytes) {
        BdevRequest request = requests[slot];
        request.operation = write ? BdevRequest.WRITE : BdevRequest.READ;
        request.offsetBytes = offsetBytes;
        int result = channel.submit(request);
        if (result != BdevChannel.PENDING) {
            request.status = result;
            done[doneCount++] = slot;
        }
    }

    @Override
    void publish() {
        channel.flush();
    }

    @Override
    int pop() {
        if (doneCount != 0) {
            return done[--doneCount];
        }
        if (next == count) {
            next = 0;
            count = channel.poll(completed);
            if (count == 0) {
                return -1;
            }
        }
        return completed[next++].tag;
    }

    @Override
    int status(int slot) {
        return requests[slot].status == 0 ? VirtioBlk.S_OK : VirtioBlk.S_IOERR;
    }

    @Override
    String failure() {
        return null;
    }

    @Override
    long kicks() {
        return 0;
    }

    @Override
    public void close() {
        channel.close();
    }
}
