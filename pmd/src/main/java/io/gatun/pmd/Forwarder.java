package io.gatun.pmd;

/**
 * What is done with the packets that a port receives.
 *
 * <p><b>Thread-safety:</b> {@link #forward} is called on the thread of the reactor that owns the queue, so on several
 * threads at once if the queues of its ports have several owners; {@link #linkChanged} on the thread that finds out
 * (the control loop's, a virtio-user port's, for a TAP interface that vanished a reactor's), so it does not wait for
 * anything, and for one port never twice at once.
 */
@FunctionalInterface
public interface Forwarder {
    /**
     * Takes a burst of 1 to {@link Burst#CAPACITY} packets. The views are good until this returns; what is not sent by
     * then is dropped without being counted, so a forwarder counts what it drops on purpose.
     */
    void forward(RxQueue from, Burst burst);

    /** A port has gained or lost its peer: what was learned about it may be stale. */
    default void linkChanged(Port port, boolean up) {}
}
