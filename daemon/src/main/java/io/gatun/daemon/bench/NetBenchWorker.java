package io.gatun.daemon.bench;

import io.gatun.daemon.bench.NetBenchOptions.Mode;
import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.linux.Scheduling;
import io.gatun.pmd.NetHeader;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vring.DriverQueue;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import org.HdrHistogram.Histogram;

/**
 * One queue pair's thread: sends and receives without pause, and never waits.
 *
 * <p>The clock is read once per burst. In {@link Mode#ECHO} a stream has so many packets on their way as the window
 * allows; a number that is skipped is a packet lost, and if nothing comes for a while all of them are.
 *
 * <p>Longer than a file should be: sending, receiving and echo share the state of one loop that never waits.
 *
 * <p><b>Thread-safety:</b> {@link #run} belongs to the pair's thread. {@link #sent}, {@link #received}, {@link #lost}
 * and {@link #stop} are for any thread, the results for whoever has joined the thread.
 */
final class NetBenchWorker implements Runnable {
    private static final VarHandle COUNTERS = MethodHandles.arrayElementVarHandle(long[].class);
    private static final int SENT = 0;
    private static final int RECEIVED = 1;
    private static final int LOST = 2;

    private static final int BURST = 32;
    private static final int POLLS_PER_LOOK = 1 << 10;
    private static final int LOOKS_PER_CHECK = 1 << 12;
    private static final long LONGEST_NANOS = 100_000_000_000L;
    private static final int FAULTS_KEPT = 8;

    private enum Phase {
        RAMP,
        MEASURE,
        DRAIN,
        END
    }

    private final int index;
    private final int core;
    private final NetBenchOptions options;
    private final long patienceNanos;
    private final boolean mergeable;
    private final FrontendQueue rxQueue;
    private final FrontendQueue txQueue;
    private final DriverQueue rx;
    private final DriverQueue tx;
    private final int bufferBytes;
    private final long rxHost;
    private final long rxGuest;
    private final long txHost;
    private final long txGuest;
    private final boolean sends;
    private final boolean looks;
    private final Histogram histogram = new Histogram(1, LONGEST_NANOS, 3);
    private final List<String> faults = new ArrayList<>();
    private final long[] counters = new long[8];

    /** Of each stream: the number expected next, here. */
    private final long[] next = new long[256];

    private Phase phase = Phase.RAMP;
    private long now;
    private long lastReceived;
    private int emptyPolls;
    private int looksTaken;

    /** The number of the next packet, and the first one that may still come. */
    private long number;

    private long expected;

    private long sent;
    private long received;
    private long lost;
    private long begun;
    private long sentBefore;
    private long receivedBefore;
    private long measuredNanos;
    private long measuredSent;
    private long measuredReceived;
    private long checked;
    private long faultCount;
    private long sameLatency;
    private long sameLatencyCount;
    private volatile boolean stopped;
    private volatile Throwable failure;

    /** A worker for pair {@code index}, with rings that run; {@code core} is where its thread is pinned, or −1. */
    NetBenchWorker(int index, int core, NetBenchOptions options, NetTarget target) {
        this.index = index;
        this.core = core;
        this.options = options;
        patienceNanos = options.patience().toNanos();
        this.mergeable = target.isMergeable();
        this.bufferBytes = target.bufferBytes();
        this.sends = NetTarget.sends(options.mode());
        this.looks = options.mode() == Mode.ECHO || options.verify();
        // Both rings, whatever the mode: servers do not start with one.
        rxQueue = target.start(index, false);
        txQueue = target.start(index, true);
        rx = rxQueue.driver();
        tx = txQueue.driver();
        rxHost = target.buffers();
        rxGuest = target.toGuest(rxHost);
        txHost = target.buffers();
        txGuest = target.toGuest(txHost);
        for (int id = 0; id < NetBenchOptions.RING_SIZE; id++) {
            PacketStamps.prepare(
                    txHost + (long) id * bufferBytes + NetHeader.BYTES, options.sizeBytes(), index);
        }
        rx.suppressCalls();
        tx.suppressCalls();
        post();
    }

    @Override
    public void run() {
        try {
            pin();
            now = System.nanoTime();
            lastReceived = now;
            begun = now;
            while (phase != Phase.END) {
                int work = receive() + (sends ? send() : 0);
                if (work != 0 || ++emptyPolls == POLLS_PER_LOOK) {
                    emptyPolls = 0;
                    turn(work);
                }
            }
            recordSame();
        } catch (Throwable t) {
            failure = t;
        }
    }

    /** Packets that the server has taken. */
    long sent() {
        return (long) COUNTERS.getOpaque(counters, SENT);
    }

    long received() {
        return (long) COUNTERS.getOpaque(counters, RECEIVED);
    }

    /** Packets that are known not to have come. */
    long lost() {
        return (long) COUNTERS.getOpaque(counters, LOST);
    }

    /** Has the worker end early, with what it has measured. */
    void stop() {
        stopped = true;
    }

    Throwable failure() {
        return failure;
    }

    int core() {
        return core;
    }

    Histogram histogram() {
        return histogram;
    }

    long measuredNanos() {
        return measuredNanos;
    }

    long measuredSent() {
        return measuredSent;
    }

    long measuredReceived() {
        return measuredReceived;
    }

    long checked() {
        return checked;
    }

    long faultCount() {
        return faultCount;
    }

    List<String> faults() {
        return faults;
    }

    /** Between two bursts: counters, clock, and what the time asks for. */
    private void turn(int work) {
        COUNTERS.setOpaque(counters, SENT, sent);
        COUNTERS.setOpaque(counters, RECEIVED, received);
        COUNTERS.setOpaque(counters, LOST, lost);
        if (work == 0) {
            now = System.nanoTime();
            lookAround();
        }
        long inPhase = now - begun;
        if (phase == Phase.RAMP && inPhase >= options.ramp().toNanos()) {
            phase = Phase.MEASURE;
            begun = now;
            sentBefore = sent;
            receivedBefore = received;
        } else if (phase == Phase.MEASURE && inPhase >= options.time().toNanos()) {
            drain();
        } else if (phase == Phase.DRAIN && (onTheirWay() == 0 || now - lastReceived > patienceNanos)) {
            writeOff();
            COUNTERS.setOpaque(counters, LOST, lost);
            phase = Phase.END;
        }
        if (stopped && phase != Phase.DRAIN && phase != Phase.END) {
            drain();
        }
    }

    private void drain() {
        if (phase == Phase.MEASURE) {
            measuredNanos = now - begun;
            measuredSent = sent - sentBefore;
            measuredReceived = received - receivedBefore;
        }
        lastReceived = now;
        phase = Phase.DRAIN;
    }

    /** Packets that may still come back; none where none is expected. */
    private long onTheirWay() {
        return options.mode() == Mode.ECHO ? number - expected : 0;
    }

    /** Nothing more comes of what was sent until now. */
    private void writeOff() {
        lost += onTheirWay();
        expected = number;
    }

    private int send() {
        int work = 0;
        while (tx.popUsed() >= 0) {
            work++;
        }
        sent += work;
        if (phase == Phase.DRAIN) {
            return work;
        }
        int room = BURST;
        if (options.mode() == Mode.ECHO) {
            room = (int) Math.min(BURST, options.window() - onTheirWay());
            if (room <= 0) {
                if (now - lastReceived > patienceNanos) {
                    writeOff();
                }
                return work;
            }
        }
        return work + fill(room);
    }

    private int fill(int room) {
        int added = 0;
        int size = options.sizeBytes();
        for (int id = tx.nextId(); id >= 0 && added < room; id = tx.nextId()) {
            if (added == 0) {
                now = System.nanoTime();
            }
            long offset = (long) id * bufferBytes;
            long packet = txHost + offset + NetHeader.BYTES;
            PacketStamps.stamp(packet, number, now);
            if (options.verify()) {
                PacketStamps.fill(packet, size, number);
            }
            number++;
            tx.addOne(txGuest + offset, NetHeader.BYTES + size, false);
            added++;
        }
        if (added != 0 && tx.publishAvailable()) {
            txQueue.kick();
        }
        return added;
    }

    private int receive() {
        int id = rx.popUsed();
        if (id < 0) {
            return 0;
        }
        now = System.nanoTime();
        lastReceived = now;
        int count = 0;
        do {
            long length = rx.usedLength() - NetHeader.BYTES;
            if (length < 0 || length > bufferBytes - NetHeader.BYTES) {
                throw new NetBenchException("queue " + index + ": the server says that it wrote "
                        + rx.usedLength() + " bytes into a buffer of " + bufferBytes);
            }
            long at = rxHost + (long) id * bufferBytes;
            int more = mergeable ? Memory.getUnsignedShort(at + NetHeader.NUM_BUFFERS) - 1 : 0;
            while (more > 0 && rx.popUsed() >= 0) {
                more--; // longer than any of ours: its rest is not looked at
            }
            received++;
            if (looks) {
                look(at + NetHeader.BYTES, (int) length);
            }
        } while (++count < BURST && (id = rx.popUsed()) >= 0);
        post();
        return count;
    }

    /** Posts every receive buffer that is not out. */
    private void post() {
        for (int id = rx.nextId(); id >= 0; id = rx.nextId()) {
            rx.addOne(rxGuest + (long) id * bufferBytes, bufferBytes, true);
        }
        if (rx.publishAvailable()) {
            rxQueue.kick();
        }
    }

    private void look(long at, int length) {
        int stream = PacketStamps.stream(at, length);
        if (stream < 0) {
            fault("a packet of " + length + " bytes that is none of ours", -1);
            return;
        }
        long its = PacketStamps.number(at);
        boolean own = options.mode() == Mode.ECHO && stream == index;
        if (its < next[stream] || (own && its >= number)) {
            fault("it came after packet " + (next[stream] - 1), its);
        } else if (own && its < expected) {
            lost--; // written off too early
            next[stream] = its + 1;
        } else {
            lost += its - (own ? expected : next[stream]);
            next[stream] = its + 1;
            expected = own ? its + 1 : expected;
        }
        if (own) {
            measureLatency(now - PacketStamps.time(at));
        }
        if (options.verify()) {
            verify(at, length, its);
        }
    }

    private void verify(long at, int length, long its) {
        checked++;
        if (options.mode() == Mode.ECHO && length != options.sizeBytes()) {
            fault("it has " + length + " bytes instead of " + options.sizeBytes(), its);
            return;
        }
        int wrong = PacketStamps.firstWrong(at, length, its);
        if (wrong >= 0) {
            fault("byte " + wrong + " of " + length + " is wrong", its);
        }
    }

    private void measureLatency(long latency) {
        if (phase == Phase.MEASURE) {
            if (latency != sameLatency) {
                recordSame();
                sameLatency = latency;
            }
            sameLatencyCount++;
        }
    }

    private void recordSame() {
        if (sameLatencyCount != 0) {
            histogram.recordValueWithCount(Math.clamp(sameLatency, 1, LONGEST_NANOS), sameLatencyCount);
            sameLatencyCount = 0;
        }
    }

    private void fault(String what, long its) {
        if (++faultCount <= FAULTS_KEPT) {
            faults.add("queue " + index + ", " + (its < 0 ? "" : "packet " + its + ": ") + what);
        }
    }

    private void lookAround() {
        String reason = rx.isBroken() ? rx.brokenReason() : tx.brokenReason();
        if (reason != null) {
            throw new NetBenchException("queue " + index + ": the server broke the ring: " + reason);
        }
        if (++looksTaken % LOOKS_PER_CHECK == 0 && (rxQueue.takeError() || txQueue.takeError())) {
            throw new NetBenchException("queue " + index + ": the server says that the ring is broken");
        }
    }

    private void pin() {
        if (core < 0) {
            return;
        }
        int result = Scheduling.pinCurrentThread(core);
        if (result < 0) {
            throw new NetBenchException("pin queue " + index + " to core " + core + ": " + Errno.name(result)
                    + "; choose one of the cores " + Scheduling.allowedCpus());
        }
    }
}
