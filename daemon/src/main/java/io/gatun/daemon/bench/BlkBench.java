package io.gatun.daemon.bench;

import io.gatun.bdev.Bdev;
import io.gatun.daemon.bench.BlkBenchResult.Latency;
import io.gatun.daemon.bench.BlkBenchResult.QueueResult;
import io.gatun.linux.LinuxException;
import io.gatun.vfio.DmaSpace;
import io.gatun.vhostuser.FrontendException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.HdrHistogram.Histogram;

/**
 * Measures a block device: sets it up, drives it from one thread per queue, and gathers what they saw.
 *
 * <p>With verification a run has three parts: the blocks that will be read are written first, then comes the measured
 * part in which every read is checked, and at the end everything written is read back.
 *
 * <p><b>Thread-safety:</b> one run per object, on one thread; {@link #stop} is for any thread.
 */
public final class BlkBench {
    /** What a verifying run uses of a disk unless told otherwise. */
    private static final long VERIFIED_SPAN_BYTES = 256 << 20;

    /** Blocks per queue at most where each is remembered. */
    private static final long MAX_VERIFIED_BLOCKS = 1 << 26;

    private static final long SECOND = 1_000_000_000L;

    /** Hears from a run once a second. */
    @FunctionalInterface
    public interface Progress {
        /**
         * One more second has passed.
         *
         * @param seconds since the start, set-up parts of the run included
         * @param operations completed since the start
         * @param iops of the last second
         * @param gigabytesPerSecond of the last second, in units of 10⁹ bytes
         */
        void second(int seconds, long operations, double iops, double gigabytesPerSecond);
    }

    private final BlkBenchOptions options;
    private final Supplier<BlkTarget> opener;
    private final List<BlkBenchWorker> workers = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean stopped;

    /** A run that has not started. */
    public BlkBench(BlkBenchOptions options) {
        this(options, () -> BlkTarget.open(options));
    }

    /**
     * A run, not started, against a block device of this process.
     *
     * @param options for {@link BlkBenchOptions.Device#BDEV}
     * @param bdev stays the caller's
     * @param memory what the device reaches: the data are allocated there
     * @param queueLimit how many queues there are at most
     */
    public BlkBench(BlkBenchOptions options, Bdev bdev, DmaSpace memory, int queueLimit) {
        this(options, () -> new BdevTarget(bdev, memory, queueLimit, options));
    }

    private BlkBench(BlkBenchOptions options, Supplier<BlkTarget> opener) {
        this.options = Objects.requireNonNull(options);
        this.opener = opener;
    }

    /** Runs to the end; throws {@link BlkBenchException} where it cannot, or where the device fails a request. */
    public BlkBenchResult run(Progress progress) {
        try (BlkTarget target = opener.get()) {
            long blocks = blocksPerQueue(target);
            for (int i = 0; i < options.queues(); i++) {
                int core = options.cores().isEmpty() ? -1 : options.cores().get(i % options.cores().size());
                long firstOffset = i * blocks * options.blockSizeBytes();
                workers.add(new BlkBenchWorker(i, core, options, target.transport(i), firstOffset, blocks));
            }
            try {
                for (BlkBenchWorker worker : workers) {
                    threads.add(Thread.ofPlatform()
                            .name("bench-" + worker.index())
                            .daemon(true)
                            .start(worker));
                }
                report(target, progress);
                boolean failed = workers.stream().anyMatch(w -> w.failure() != null);
                workers.forEach(failed ? BlkBenchWorker::abort : BlkBenchWorker::stop);
            } catch (Throwable t) {
                workers.forEach(BlkBenchWorker::abort);
                throw t;
            } finally {
                // Nothing may run any more when the memory goes.
                threads.forEach(BlkBench::join);
            }
            throwFailure();
            return result(target);
        } catch (LinuxException | FrontendException e) {
            throw new BlkBenchException(e.getMessage(), e);
        }
    }

    /** Ends the run early; what was measured until then is the result. */
    public void stop() {
        stopped = true;
    }

    private long blocksPerQueue(BlkTarget target) {
        int blockSize = options.blockSizeBytes();
        if (blockSize % target.blockSizeBytes() != 0) {
            throw new BlkBenchException("block size " + blockSize + ": the disk's own blocks have "
                    + target.blockSizeBytes() + " bytes");
        }
        if (blockSize > target.maxRequestBytes()) {
            throw new BlkBenchException("block size " + blockSize + ": the disk takes at most "
                    + target.maxRequestBytes() + " bytes in one segment (size_max)");
        }
        if (target.isReadOnly() && (options.verify() || options.readPercent() < 100)) {
            throw new BlkBenchException("the disk is read-only; use --rw randread or read, without --verify");
        }
        if (options.queues() > target.queueLimit()) {
            throw new BlkBenchException(
                    "queues " + options.queues() + ": the disk has only " + target.queueLimit());
        }
        long span = options.spanBytes() != 0
                ? options.spanBytes()
                : options.verify() ? Math.min(VERIFIED_SPAN_BYTES, target.capacityBytes()) : target.capacityBytes();
        if (span > target.capacityBytes()) {
            throw new BlkBenchException("span " + span + ": the disk has only " + target.capacityBytes() + " bytes");
        }
        long blocks = span / blockSize / options.queues();
        // A block has one request in flight at most when verifying; twice as many keep the search for a free one short.
        long least = options.verify() ? 2L * options.queueDepth() : 1;
        if (blocks < least || (options.verify() && blocks > MAX_VERIFIED_BLOCKS)) {
            throw new BlkBenchException(String.format(
                    "%d bytes in blocks of %d for %d queues make %d blocks each; %d to %d are needed",
                    span, blockSize, options.queues(), blocks, least,
                    options.verify() ? MAX_VERIFIED_BLOCKS : Long.MAX_VALUE));
        }
        return blocks;
    }

    /** Waits for the workers, and reports every second. */
    private void report(BlkTarget target, Progress progress) {
        long start = System.nanoTime();
        long before = 0;
        for (int second = 1; awaitWorkers(target, start + second * SECOND); second++) {
            long total = workers.stream().mapToLong(BlkBenchWorker::completed).sum();
            double iops = total - before;
            progress.second(second, total, iops, iops * options.blockSizeBytes() / 1e9);
            before = total;
        }
    }

    /** Whether a worker still runs at {@code deadline}; returns at once when none does, or when one failed. */
    private boolean awaitWorkers(BlkTarget target, long deadline) {
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                if (stopped || workers.stream().anyMatch(w -> w.failure() != null)) {
                    return false;
                }
                if (!target.isConnected()) {
                    throw new BlkBenchException(options.socket() + ": the server closed the connection");
                }
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    return true;
                }
                try {
                    boolean ignored = thread.join(Duration.ofNanos(Math.min(left, SECOND / 20)));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return false;
                }
            }
        }
        return false;
    }

    private void throwFailure() {
        for (BlkBenchWorker worker : workers) {
            Throwable failure = worker.failure();
            if (failure instanceof BlkBenchException e) {
                throw e;
            }
            if (failure != null) {
                throw new BlkBenchException("queue " + worker.index() + " failed: " + failure, failure);
            }
        }
    }

    private BlkBenchResult result(BlkTarget target) {
        Histogram all = new Histogram(3);
        List<QueueResult> queues = new ArrayList<>();
        List<String> mismatches = new ArrayList<>();
        double iops = 0;
        double seconds = 0;
        for (BlkBenchWorker worker : workers) {
            all.add(worker.histogram());
            double own = worker.measuredNanos() / 1e9;
            double rate = own > 0 ? worker.measured() / own : 0;
            queues.add(new QueueResult(
                    worker.index(), worker.core(), worker.measured(), rate, Latency.of(worker.histogram())));
            mismatches.addAll(worker.mismatches());
            iops += rate;
            seconds = Math.max(seconds, own);
        }
        return new BlkBenchResult(
                options,
                target.isHuge(),
                seconds,
                workers.stream().mapToLong(BlkBenchWorker::measured).sum(),
                iops,
                iops * options.blockSizeBytes() / 1e9,
                Latency.of(all),
                List.copyOf(queues),
                workers.stream().mapToLong(BlkBenchWorker::kicks).sum(),
                workers.stream().mapToLong(BlkBenchWorker::checkedBlocks).sum(),
                workers.stream().mapToLong(BlkBenchWorker::mismatchCount).sum(),
                List.copyOf(mismatches));
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
