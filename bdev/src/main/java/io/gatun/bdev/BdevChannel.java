package io.gatun.bdev;

/**
 * One thread's way to a block device. Allocates nothing per request.
 *
 * <p>A burst is any number of {@link #submit}, then {@link #flush}, then {@link #poll} until it returns less than it
 * could. The range of a request is checked against the device's capacity; its segments are not checked.
 *
 * <p><b>Thread-safety:</b> one thread, the one that opened it.
 */
public abstract class BdevChannel implements AutoCloseable {
    /** What {@link #submit} returns where the request comes out of {@link #poll} later. */
    public static final int PENDING = 1;

    /** For subclasses. */
    protected BdevChannel() {}

    /**
     * Starts a request.
     *
     * @return 0 or {@code -errno} if it is done already (its {@code status} is not set), or {@link #PENDING}
     */
    public abstract int submit(BdevRequest request);

    /** Sends what was submitted since the last call. */
    public void flush() {}

    /**
     * Takes requests that have completed, with their status.
     *
     * @return how many, at most {@code completed.length}
     */
    public int poll(BdevRequest[] completed) {
        return 0;
    }

    /** How many requests are pending. */
    public int inFlight() {
        return 0;
    }

    /** Makes {@link #wakeFd()} report completions from now on; false if there is one already. */
    public boolean arm() {
        return true;
    }

    /** Completions need not be reported any more: they are polled for. */
    public void disarm() {}

    /** A descriptor that becomes readable when a request completes, or -1 if none ever pends. Constant. */
    public int wakeFd() {
        return -1;
    }

    /** Waits for what is in flight, and gives the channel back. */
    @Override
    public abstract void close();

    /** Whether a request's range lies within {@code capacityBytes}; safe against overflow. */
    static boolean inRange(BdevRequest request, long capacityBytes) {
        long offset = request.offsetBytes;
        long length = request.lengthBytes;
        return (offset | length) >= 0 && offset <= capacityBytes - length;
    }
}
