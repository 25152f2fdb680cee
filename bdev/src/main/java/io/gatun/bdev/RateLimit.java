package io.gatun.bdev;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Limits of requests and bytes per second that the queues of a disk share.
 *
 * <p>Each limit is a leaky bucket kept as one time: when what was let in so far will have drained. A request moves it
 * on by its cost, and nothing is let in while it is more than {@link #BURST_NANOS} ahead. A queue asks before it takes
 * requests from its ring and charges them when it knows them, so the last burst may overdraw; what is overdrawn is
 * waited for afterwards. Requests stay in the order of their ring: one that has to wait holds up those behind it.
 *
 * <p><b>Thread-safety:</b> any thread. Allocates nothing after construction.
 */
public final class RateLimit {
    /** How far a bucket may run ahead: smooth enough for a guest, and several bursts of a fast disk. */
    static final long BURST_NANOS = 5_000_000;

    private static final long SECOND_NANOS = 1_000_000_000;

    private final Bucket requests;
    private final Bucket bytes;
    private final Bucket readBytes;
    private final Bucket writtenBytes;

    /** Each limit is per second; 0 is none. Throws {@link IllegalArgumentException} for negative ones. */
    public RateLimit(long requests, long bytes, long readBytes, long writtenBytes) {
        if ((requests | bytes | readBytes | writtenBytes) < 0) {
            throw new IllegalArgumentException("a limit must be 0 or more");
        }
        this.requests = new Bucket(requests);
        this.bytes = new Bucket(bytes);
        this.readBytes = new Bucket(readBytes);
        this.writtenBytes = new Bucket(writtenBytes);
    }

    /** How many of {@code wanted} requests may be taken now. */
    public int admit(int wanted) {
        return admit(wanted, System.nanoTime());
    }

    /** Accounts for a request that was taken. */
    public void charge(long read, long written) {
        charge(read, written, System.nanoTime());
    }

    int admit(int wanted, long now) {
        if (bytes.isFull(now) || readBytes.isFull(now) || writtenBytes.isFull(now)) {
            return 0;
        }
        return (int) Math.min(wanted, requests.room(now));
    }

    void charge(long read, long written, long now) {
        requests.add(1, now);
        bytes.add(read + written, now);
        readBytes.add(read, now);
        writtenBytes.add(written, now);
    }

    private static final class Bucket {
        private final long perSecond;
        private final AtomicLong drainedAt = new AtomicLong(System.nanoTime() - SECOND_NANOS);

        Bucket(long perSecond) {
            this.perSecond = perSecond;
        }

        boolean isFull(long now) {
            return perSecond != 0 && drainedAt.get() - now > BURST_NANOS;
        }

        /** How many units fit at least; one fits whenever the bucket is not full. */
        long room(long now) {
            if (perSecond == 0) {
                return Long.MAX_VALUE;
            }
            long ahead = Math.max(0, drainedAt.get() - now);
            return ahead > BURST_NANOS ? 0 : 1 + (long) ((BURST_NANOS - ahead) * (double) perSecond / SECOND_NANOS);
        }

        void add(long units, long now) {
            if (perSecond == 0 || units == 0) {
                return;
            }
            long cost = (long) (units * (double) SECOND_NANOS / perSecond);
            long before = drainedAt.get();
            while (!drainedAt.compareAndSet(before, (before - now > 0 ? before : now) + cost)) {
                before = drainedAt.get();
            }
        }
    }
}
