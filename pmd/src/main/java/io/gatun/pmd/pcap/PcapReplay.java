package io.gatun.pmd.pcap;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Pace;
import io.gatun.pmd.RxQueue;
import io.gatun.reactor.Poller;

/**
 * Receives the packets of a file where they lie in memory, at the pace asked for. Keeps its reactor awake until it has
 * finished.
 *
 * <p><b>Thread-safety:</b> the owner's thread; {@link #finished} any.
 */
final class PcapReplay implements Poller {
    private final PcapPort port;
    private final RxQueue queue;
    private final PcapFile file;
    private final Burst burst = new Burst();
    private final Pace pace;
    private final boolean originalTiming;
    private final long rounds;
    private long round;
    private int next;
    private long roundStart;
    private volatile boolean finished;

    PcapReplay(PcapPort port, RxQueue queue, PcapFile file, PcapOptions options) {
        this.port = port;
        this.queue = queue;
        this.file = file;
        this.pace = new Pace(options.packetsPerSecond());
        this.originalTiming = options.originalTiming();
        this.rounds = options.rounds();
        this.finished = file.count() == 0;
    }

    boolean finished() {
        return finished;
    }

    @Override
    public int poll() {
        if (finished || !port.forwards()) {
            return 0;
        }
        long now = System.nanoTime();
        burst.clear();
        if (originalTiming) {
            takeDue(now);
        } else {
            take(pace.take(now));
        }
        int count = burst.count;
        if (count != 0) {
            queue.deliver(burst);
        }
        if (next == file.count()) {
            next = 0;
            round++;
            finished = round == rounds;
        }
        return count;
    }

    /** There is nothing to wait for but the end, and somebody who forwards. */
    @Override
    public boolean arm() {
        return finished || !port.forwards();
    }

    void close() {
        burst.close();
        file.close();
    }

    private void take(int most) {
        int count = Math.min(most, file.count() - next);
        for (int i = 0; i < count; i++) {
            burst.add(file.address(next), file.lengthBytes(next));
            next++;
        }
    }

    private void takeDue(long now) {
        if (next == 0) {
            roundStart = now - file.nanos(0);
        }
        while (next < file.count() && burst.count < Burst.CAPACITY && file.nanos(next) <= now - roundStart) {
            take(1);
        }
    }

    @Override
    public String toString() {
        return queue.toString();
    }
}
