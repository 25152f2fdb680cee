package io.gatun.bdev.virtio;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** A block device whose requests complete when the test says so, with the status it says; it has a write cache. */
final class HeldBdev implements Bdev {
    final List<BdevRequest> held = new ArrayList<>();
    final List<String> log = new ArrayList<>();
    private final List<BdevRequest> completed = new ArrayList<>();
    private final List<Runnable> listeners = new ArrayList<>();
    private long blockCount = 1 << 20;

    /** Completes the held request at {@code index}. */
    void complete(int index, int status) {
        BdevRequest request = held.remove(index);
        request.status = status;
        completed.add(request);
    }

    void resize(long blocks) {
        blockCount = blocks;
        listeners.forEach(Runnable::run);
    }

    @Override
    public String name() {
        return "held";
    }

    @Override
    public String productName() {
        return "Held";
    }

    @Override
    public UUID uuid() {
        return new UUID(0, 0);
    }

    @Override
    public int blockSizeBytes() {
        return 512;
    }

    @Override
    public int physicalBlockSizeBytes() {
        return 4096;
    }

    @Override
    public long blockCount() {
        return blockCount;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public boolean writeCache() {
        return true;
    }

    @Override
    public boolean supports(int operation) {
        return true;
    }

    @Override
    public BdevChannel openChannel(Reactor reactor) {
        return new Channel();
    }

    @Override
    public Registration onResize(Runnable listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public void close() {
        listeners.clear();
    }

    private final class Channel extends BdevChannel {
        @Override
        public int submit(BdevRequest request) {
            held.add(request);
            log.add(BdevRequest.operationName(request.operation) + " " + request.offsetBytes / 512);
            return PENDING;
        }

        @Override
        public int poll(BdevRequest[] target) {
            int count = Math.min(completed.size(), target.length);
            for (int i = 0; i < count; i++) {
                target[i] = completed.removeFirst();
            }
            return count;
        }

        @Override
        public int inFlight() {
            return held.size() + completed.size();
        }

        @Override
        public void close() {
            completed.clear();
        }
    }
}
