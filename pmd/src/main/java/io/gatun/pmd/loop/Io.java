package io.gatun.pmd.loop;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;

/**
 * Sends what one port receives on another, unchanged, both ways; with a single port, back to where it came from.
 *
 * <p><b>Thread-safety:</b> as {@link Forwarder} says.
 */
public final class Io implements Forwarder {
    private final Port first;
    private final Lane[] fromFirst;
    private final Lane[] fromSecond;

    /** Connects two ports, which may be the same; throws {@link IllegalArgumentException} where one cannot send. */
    public Io(Port first, Port second) {
        this.first = first;
        fromFirst = Lane.between(first, second);
        fromSecond = Lane.between(second, first);
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // a port is itself only
    public void forward(RxQueue from, Burst burst) {
        (from.port() == first ? fromFirst : fromSecond)[from.index()].exit.send(burst);
    }
}
