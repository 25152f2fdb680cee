package io.gatun.daemon.bench;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.linux.Errno;
import io.gatun.linux.Scheduling;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import org.HdrHistogram.Histogram;

/**
 * One queue's thread: keeps as many requests in flight as it was told to, and takes their time.
 *
 * <p>The clock is read once per burst of completions. That moment is the end of all requests of the burst and the start
 * of those that take their places; a burst's equal latencies are recorded together, so that every request counts and
 * recording stays cheap.
 *
 * <p><b>Thread-safety:</b> {@link #run} belongs to the queue's thread. {@link #completed}, {@link #stop} and
 * {@link #abort} are for any thread, the results for whoever has joined the thread.
 */
final class BlkBenchWorker implements Runnable {
    private static final VarHandle COMPLETED;

    /** Empty polls between two looks at the clock. */
    private static final int POLLS_PER_LOOK = 1 << 14;

    private static final long LONGEST_NANOS = 100_000_000_000L;
    private static final int MISMATCHES_KEPT = 8;
    private static final long NEVER = Long.MAX_VALUE;

    static {
        try {
            COMPLETED = MethodHandles.lookup().findVarHandle(BlkBenchWorker.class, "completed", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final int index;
    private final int core;
    private final BlkBenchOptions options;
    private final BlkTransport transport;
    private final long blocks;
    private final long firstOffset;
    private final int burst;
    private final long timeoutNanos;
    private final BlockStamps stamps;
    private final Histogram histogram = new Histogram(1, LONGEST_NANOS, 3);
    private final List<String> mismatches = new ArrayList<>();

    // Of each slot.
    private final long[] blockOf;
    private final boolean[] isWrite;
    private final long[] submittedAt;

    private RequestPlan plan;
    private int outstanding;
    private long now;
    private boolean measuring;
    private boolean ending;
    private long lastCompletion;
    private int emptyPolls;
    private long sameLatency;
    private long sameLatencyCount;

    private long measured;
    private long measuredNanos;
    private long checkedBlocks;
    private long mismatchCount;

    private long completed;
    private volatile boolean stopped;
    private volatile boolean aborted;
    private volatile Throwable failure;

    /**
     * A worker whose share of the disk starts at {@code firstOffset} and has {@code blocks} blocks.
     *
     * @param core where its thread is pinned, or -1
     */
    BlkBenchWorker(
            int index, int core, BlkBenchOptions options, BlkTransport transport, long firstOffset, long blocks) {
        this.index = index;
        this.core = core;
        this.options = options;
        this.transport = transport;
        this.blocks = blocks;
        this.firstOffset = firstOffset;
        int depth = options.queueDepth();
        this.burst = options.burst() != 0 ? options.burst() : Math.clamp(depth / 4, 1, 32);
        this.timeoutNanos = options.timeout().toNanos();
        this.stamps = options.verify()
                ? new BlockStamps(firstOffset, Math.toIntExact(blocks), options.blockSizeBytes(), options.seed())
                : null;
        this.blockOf = new long[depth];
        this.isWrite = new boolean[depth];
        this.submittedAt = new long[depth];
    }

    @Override
    public void run() {
        try {
            pin();
            boolean random = options.mode().random;
            if (stamps != null && options.readPercent() > 0) {
                cycle(RequestPlan.once(blocks, true), NEVER, NEVER);
            }
            cycle(
                    RequestPlan.endless(blocks, random, options.readPercent(), options.seed() + index),
                    options.ramp().toNanos(),
                    options.time().toNanos());
            if (stamps != null) {
                cycle(RequestPlan.once(blocks, false), NEVER, NEVER);
            }
        } catch (Throwable t) {
            failure = t;
        } finally {
            transport.close();
        }
    }

    /** Requests completed so far, all phases. */
    long completed() {
        return (long) COMPLETED.getOpaque(this);
    }

    /** Has the worker finish what is in flight and end. */
    void stop() {
        stopped = true;
    }

    /** Has the worker end without what is in flight: the run has failed. */
    void abort() {
        aborted = true;
        stopped = true;
    }

    /** Why the worker ended early, or null. */
    Throwable failure() {
        return failure;
    }

    int index() {
        return index;
    }

    int core() {
        return core;
    }

    /** Latencies in nanoseconds of the requests measured. */
    Histogram histogram() {
        return histogram;
    }

    /** Requests completed while measuring. */
    long measured() {
        return measured;
    }

    /** How long was measured. */
    long measuredNanos() {
        return measuredNanos;
    }

    long kicks() {
        return transport.kicks();
    }

    long checkedBlocks() {
        return checkedBlocks;
    }

    long mismatchCount() {
        return mismatchCount;
    }

    List<String> mismatches() {
        return mismatches;
    }

    /**
     * Carries a plan out, until it ends or until the time is over.
     *
     * @param rampNanos how long after the start measuring begins, or {@link #NEVER}
     * @param timeNanos how long is measured, from the first completion after the ramp on
     */
    private void cycle(RequestPlan next, long rampNanos, long timeNanos) {
        plan = next;
        now = System.nanoTime();
        lastCompletion = now;
        measuring = false;
        ending = false;
        long start = now;
        long begun = 0;
        for (int slot = 0; slot < blockOf.length && submit(slot); slot++) {
            outstanding++;
        }
        transport.publish();
        while (outstanding > 0) {
            if (!takeBurst()) {
                continue;
            }
            if (measuring) {
                measuredNanos = now - begun;
                ending = measuredNanos >= timeNanos;
                measuring = !ending;
            } else if (!ending && now - start >= rampNanos) {
                measuring = true;
                begun = now;
            }
        }
    }

    /** Takes completed requests and puts new ones in their places; false if none has completed. */
    private boolean takeBurst() {
        int slot = transport.pop();
        if (slot < 0) {
            if (++emptyPolls == POLLS_PER_LOOK) {
                lookAround();
            }
            return false;
        }
        now = System.nanoTime();
        int taken = 0;
        do {
            complete(slot);
            if (!submit(slot)) {
                outstanding--;
            }
        } while (++taken < burst && (slot = transport.pop()) >= 0);
        transport.publish();
        if (measuring) {
            recordSame();
            measured += taken;
        }
        lastCompletion = now;
        emptyPolls = 0;
        COMPLETED.setOpaque(this, completed + taken);
        return true;
    }

    private void complete(int slot) {
        if (transport.status(slot) != VirtioBlk.S_OK) {
            throw new BlkBenchException(refusal(slot));
        }
        if (stamps != null) {
            verify(slot);
        }
        if (measuring) {
            long latency = now - submittedAt[slot];
            if (latency != sameLatency) {
                recordSame();
                sameLatency = latency;
            }
            sameLatencyCount++;
        }
    }

    private boolean submit(int slot) {
        if (ending || stopped) {
            return false;
        }
        long next = plan.next();
        if (next < 0) {
            return false;
        }
        long block = next >>> 1;
        boolean write = (next & 1) != 0;
        if (stamps != null) {
            block = stamps.claim((int) block);
            if (write) {
                stamps.fill(transport.dataAddress(slot), (int) block);
            }
        }
        blockOf[slot] = block;
        isWrite[slot] = write;
        submittedAt[slot] = now;
        transport.submit(slot, write, offset(block));
        return true;
    }

    private void verify(int slot) {
        int block = (int) blockOf[slot];
        if (!isWrite[slot] && stamps.isKnown(block)) {
            checkedBlocks++;
            String mismatch = stamps.check(transport.dataAddress(slot), block);
            if (mismatch != null && ++mismatchCount <= MISMATCHES_KEPT) {
                mismatches.add("queue " + index + ", " + mismatch);
            }
        }
        stamps.release(block);
    }

    private void recordSame() {
        if (sameLatencyCount != 0) {
            histogram.recordValueWithCount(Math.clamp(sameLatency, 1, LONGEST_NANOS), sameLatencyCount);
            sameLatencyCount = 0;
        }
    }

    private void lookAround() {
        emptyPolls = 0;
        if (aborted) {
            outstanding = 0;
            return;
        }
        String reason = transport.failure();
        if (reason != null) {
            throw new BlkBenchException("queue " + index + ": " + reason);
        }
        if (System.nanoTime() - lastCompletion > timeoutNanos) {
            throw new BlkBenchException(String.format(
                    "queue %d: nothing completed for %d ms with %d requests in flight; does the server still run?",
                    index, timeoutNanos / 1_000_000, outstanding));
        }
    }

    private long offset(long block) {
        return firstOffset + block * options.blockSizeBytes();
    }

    private String refusal(int slot) {
        int status = transport.status(slot);
        String name = status == VirtioBlk.S_IOERR
                ? "an I/O error"
                : status == VirtioBlk.S_UNSUPP ? "not supported" : "status " + (status & 0xff);
        return String.format(
                "queue %d: the device answered %s to a %s of %d bytes at byte %d",
                index, name, isWrite[slot] ? "write" : "read", options.blockSizeBytes(), offset(blockOf[slot]));
    }

    private void pin() {
        if (core < 0) {
            return;
        }
        int result = Scheduling.pinCurrentThread(core);
        if (result < 0) {
            throw new BlkBenchException("pin queue " + index + " to core " + core + ": " + Errno.name(result)
                    + "; choose one of the cores " + Scheduling.allowedCpus());
        }
    }
}
