package io.gatun.daemon.bench;

import io.gatun.daemon.bench.BlkBenchResult.Latency;
import io.gatun.linux.LinuxException;
import io.gatun.vhostuser.FrontendException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.ToLongFunction;
import org.HdrHistogram.Histogram;

/**
 * Measures a network device from the side of a guest: one thread per queue pair generates, receives and checks packets.
 *
 * <p><b>Thread-safety:</b> one run per object, on one thread; {@link #stop} is for any thread.
 */
public final class NetBench {
    private static final long SECOND = 1_000_000_000L;

    /** Hears from a run once a second. */
    @FunctionalInterface
    public interface Progress {
        /**
         * One more second has passed.
         *
         * @param seconds since the start
         * @param sentPerSecond packets that the server took in the last second
         * @param receivedPerSecond packets that came in the last second
         * @param lost packets since the start
         */
        void second(int seconds, long sentPerSecond, long receivedPerSecond, long lost);
    }

    private final NetBenchOptions options;
    private final List<NetBenchWorker> workers = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean stopped;

    /** A run that has not started. */
    public NetBench(NetBenchOptions options) {
        this.options = Objects.requireNonNull(options);
    }

    /** Runs to the end; throws {@link NetBenchException} where it cannot. */
    public NetBenchResult run(Progress progress) {
        try (NetTarget target = NetTarget.open(options)) {
            for (int i = 0; i < options.queues(); i++) {
                int core = options.cores().isEmpty() ? -1 : options.cores().get(i % options.cores().size());
                workers.add(new NetBenchWorker(i, core, options, target));
            }
            try {
                for (int i = 0; i < workers.size(); i++) {
                    threads.add(Thread.ofPlatform()
                            .name("net-bench-" + i)
                            .daemon(true)
                            .start(workers.get(i)));
                }
                report(target, progress);
            } finally {
                workers.forEach(NetBenchWorker::stop);
                // Nothing may run any more when the memory goes.
                threads.forEach(NetBench::join);
            }
            throwFailure();
            return result(target);
        } catch (LinuxException | FrontendException e) {
            throw new NetBenchException(e.getMessage(), e);
        }
    }

    /** Ends the run early; what was measured until then is the result. */
    public void stop() {
        stopped = true;
    }

    private void report(NetTarget target, Progress progress) {
        long start = System.nanoTime();
        long sentBefore = 0;
        long receivedBefore = 0;
        for (int second = 1; awaitWorkers(target, start + second * SECOND); second++) {
            long sent = sum(NetBenchWorker::sent);
            long received = sum(NetBenchWorker::received);
            progress.second(second, sent - sentBefore, received - receivedBefore, sum(NetBenchWorker::lost));
            sentBefore = sent;
            receivedBefore = received;
        }
    }

    /** Whether a worker still runs at {@code deadline}; returns at once when none does, or when one failed. */
    private boolean awaitWorkers(NetTarget target, long deadline) {
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                if (stopped || workers.stream().anyMatch(w -> w.failure() != null)) {
                    return false;
                }
                if (!target.isConnected()) {
                    throw new NetBenchException(options.socket() + ": the server closed the connection");
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
        for (int i = 0; i < workers.size(); i++) {
            Throwable failure = workers.get(i).failure();
            if (failure instanceof NetBenchException e) {
                throw e;
            }
            if (failure != null) {
                throw new NetBenchException("queue " + i + " failed: " + failure, failure);
            }
        }
    }

    private long sum(ToLongFunction<NetBenchWorker> counter) {
        return workers.stream().mapToLong(counter).sum();
    }

    private NetBenchResult result(NetTarget target) {
        Histogram all = new Histogram(3);
        List<String> faults = new ArrayList<>();
        double seconds = 0;
        double sentRate = 0;
        double receivedRate = 0;
        for (NetBenchWorker worker : workers) {
            all.add(worker.histogram());
            faults.addAll(worker.faults());
            double own = worker.measuredNanos() / 1e9;
            if (own > 0) {
                sentRate += worker.measuredSent() / own;
                receivedRate += worker.measuredReceived() / own;
                seconds = Math.max(seconds, own);
            }
        }
        return new NetBenchResult(
                options,
                target.isHuge(),
                seconds,
                sentRate,
                receivedRate,
                sum(NetBenchWorker::sent),
                sum(NetBenchWorker::received),
                sum(NetBenchWorker::lost),
                Latency.of(all),
                sum(NetBenchWorker::checked),
                sum(NetBenchWorker::faultCount),
                List.copyOf(faults));
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
