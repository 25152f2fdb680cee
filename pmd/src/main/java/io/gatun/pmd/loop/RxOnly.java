package io.gatun.pmd.loop;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.RxQueue;

/**
 * Takes every packet and sends none: the receive queues' counters are the result.
 *
 * <p><b>Thread-safety:</b> as {@link Forwarder} says.
 */
public final class RxOnly implements Forwarder {
    /** Takes what comes. */
    public RxOnly() {}

    @Override
    public void forward(RxQueue from, Burst burst) {
        // Received, counted by the queue, and done with.
    }
}
