package io.gatun.bdev;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reports faults that may come by the thousand: the first at once, then one in ten seconds with the number of those
 * left out.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class FaultLog {
    private static final Logger LOG = LoggerFactory.getLogger(FaultLog.class);
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final String subject;
    private final AtomicLong nextReport = new AtomicLong(System.nanoTime());
    private final AtomicLong leftOut = new AtomicLong();

    /** Makes a log whose lines start with {@code subject}. */
    public FaultLog(String subject) {
        this.subject = subject;
    }

    /** Reports a fault, or only counts it. */
    public void report(String fault) {
        report(() -> fault);
    }

    /** As {@link #report(String)}; {@code fault} is asked for its words only if they are reported. */
    public void report(Supplier<String> fault) {
        if (!mayReport()) {
            return;
        }
        long missing = leftOut.getAndSet(0);
        if (missing == 0) {
            LOG.warn("{}: {}", subject, fault.get());
        } else {
            LOG.warn("{}: {} ({} more since the last line)", subject, fault.get(), missing);
        }
    }

    private boolean mayReport() {
        long now = System.nanoTime();
        long due = nextReport.get();
        if (now - due < 0 || !nextReport.compareAndSet(due, now + PAUSE_NANOS)) {
            leftOut.incrementAndGet();
            return false;
        }
        return true;
    }
}
