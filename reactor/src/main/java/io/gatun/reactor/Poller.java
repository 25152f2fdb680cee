package io.gatun.reactor;

import org.slf4j.LoggerFactory;

/**
 * A source of work that a {@link Reactor} looks at on every duty cycle.
 *
 * <p><b>Thread-safety:</b> every method is called on the reactor's thread, and on no other.
 */
public interface Poller {
    /**
     * Does a bounded amount of work.
     *
     * <p>An {@link InternalError}, because a peer's memory vanished, is not to be caught here: it may be of another
     * poller. The reactor finds out, and calls {@link #failed} of the right one.
     *
     * @return how much was done, in the poller's own unit; 0 if there was none, never negative
     */
    int poll();

    /**
     * The reactor is about to sleep: asks for a notification of the next work, through a descriptor that was given to
     * {@link Reactor#watch}. {@link #disarm} follows before the next {@link #poll}, whatever is returned.
     *
     * @return false if there is work already, so that the reactor must not sleep
     */
    default boolean arm() {
        return true;
    }

    /** The reactor is awake: notifications are a waste from here on. May be called without {@link #arm} before it. */
    default void disarm() {}

    /**
     * This poller threw and has been removed; it is not called again.
     *
     * @param cause what it threw, an {@link InternalError} where a peer's memory vanished
     */
    default void failed(Throwable cause) {
        LoggerFactory.getLogger(Poller.class).error("poller {} failed and was removed", this, cause);
    }
}
