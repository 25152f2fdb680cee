package io.gatun.pmd.net;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;

/**
 * The way to a guest's receiveq, whether it is there or not: a {@link TxRing} while it is started and enabled.
 *
 * <p><b>Thread-safety:</b> {@link #attach} and {@link #detach} on the owner's thread, as {@link #transmit}; the rest
 * on any.
 */
final class VhostTxQueue extends TxQueue {
    private final Runnable whenLinkMayHaveChanged;
    private TxRing ring;
    private volatile boolean up;
    private volatile long offloads = Offloads.NONE;

    /** {@code whenLinkMayHaveChanged} is called on the owner's thread and does not wait. */
    VhostTxQueue(Port port, int index, Reactor owner, Runnable whenLinkMayHaveChanged) {
        super(port, index, owner);
        this.whenLinkMayHaveChanged = whenLinkMayHaveChanged;
    }

    /** The ring takes packets from now on. */
    void attach(TxRing started, long guestOffloads) {
        ring = started;
        offloads = guestOffloads;
        up = true;
        whenLinkMayHaveChanged.run();
    }

    /** The ring takes no more packets; nothing happens if it is not this queue's. */
    void detach(TxRing stopped) {
        if (ring == stopped) {
            ring = null;
            up = false;
            whenLinkMayHaveChanged.run();
        }
    }

    boolean isUp() {
        return up;
    }

    @Override
    public long offloads() {
        return offloads;
    }

    @Override
    protected int transmit(Burst burst, int[] which, int count) {
        TxRing current = ring;
        if (current == null) {
            counters().drop(Drop.LINK_DOWN, count);
            return 0;
        }
        return current.send(burst, which, count);
    }
}
