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

    /**
     * The front-end enables or disables the queue ({@code SET_VRING_ENABLE}); also called before the first poll.
     *
     * @return whether {@link #poll} may take chains from now on, so that an available one is work. A disabled queue
     *     takes none, but a network device's transmit queue then takes and discards. A network device's receive queue
     *     is never polled for chains: they wait for packets, nobody asks for kicks, and the reactor may sleep
     */
    default boolean enable(boolean enabled) {
        return enabled;
    }

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
