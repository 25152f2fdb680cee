package io.gatun.daemon.target;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.reactor.Reactor;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.UUID;

/** A disk that takes requests and finishes none before the test says so. */
final class StuckBdev implements Bdev {
    private final UUID uuid = UUID.randomUUID();
    volatile int taken;
    volatile boolean released;
    volatile boolean closed;

    @Override
    public String name() {
        return "stuck";
    }

    @Override
    public String productName() {
        return "Stuck disk";
    }

    @Override
    public UUID uuid() {
        return uuid;
    }

    @Override
    public int blockSizeBytes() {
        return 512;
    }

    @Override
    public long blockCount() {
        return 2048;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public boolean writeCache() {
        return false;
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
        return () -> {};
    }

    @Override
    public void close() {
        closed = true;
    }

    private final class Channel extends BdevChannel {
        private final Deque<BdevRequest> held = new ArrayDeque<>();

        @Override
        public int submit(BdevRequest request) {
            held.add(request);
            taken = held.size();
            return PENDING;
        }

        @Override
        public int poll(BdevRequest[] completed) {
            int count = 0;
            while (released && count < completed.length && !held.isEmpty()) {
                completed[count] = held.remove();
                completed[count].status = 0;
                count++;
            }
            return count;
        }

        @Override
        public int inFlight() {
            return held.size();
        }

        /** Nothing would wake a reactor that sleeps. */
        @Override
        public boolean arm() {
            return held.isEmpty();
        }

        @Override
        public void close() {
            held.clear();
        }
    }
}
