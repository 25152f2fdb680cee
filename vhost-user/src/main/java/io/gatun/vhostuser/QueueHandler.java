package io.gatun.vhostuser;

/**
 * Serves one started queue of a device.
 *
 * <p>The worker that owns the queue calls {@link #poll} over and over. A handler takes chains from {@link
 * Vring#queue()}, puts them back used, and calls {@link Vring#publish()} once per batch. It need not look at
 * notifications: the worker arms the queue's kicks before it sleeps. What {@code poll} throws breaks this queue and no
 * other; afterwards it is still called with 0 until {@link #inFlight()} is 0, because memory that a request may still
 * write to cannot be unmapped.
 *
 * <p><b>Thread-safety:</b> every method is called on the thread of {@link Vring#reactor()}.
 */
public interface QueueHandler extends AutoCloseable {
    /**
     * Serves the queue for a bounded time.
     *
     * @param maxChains how many new chains may be taken; 0 only completes what is in flight (the queue is disabled or
     * stopping)
     * @return the work done, such as chains taken plus chains completed; 0 means idle
     */
    int poll(int maxChains);

    /** How many chains have been taken and not yet put back used. */
    int inFlight();

    /**
     * The reactor is about to sleep: makes {@link #wakeFd()} report completions.
     *
     * @return false if a completion is there already, so that there is no reason to sleep
     */
    default boolean arm() {
        return true;
    }

    /** The reactor is awake again. */
    default void disarm() {}

    /** A descriptor that becomes readable when a request completes, or -1 if completions need no waking. Constant. */
    default int wakeFd() {
        return -1;
    }

    /** The queue has stopped: nothing is in flight, and this handler is not called again. */
    @Override
    default void close() {}
}
