package io.gatun.pmd.user;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;

/**
 * The way to the back-end, whether it is there or not.
 *
 * <p><b>Thread-safety:</b> {@link #attach} on the owner's thread, as {@link #transmit}; the rest on any.
 */
final class UserTxQueue extends TxQueue {
    private TransmitRing ring;
    private volatile long offloads = Offloads.NONE;

    UserTxQueue(VirtioUserPort port, int index, Reactor owner) {
        super(port, index, owner);
    }

    /** This ring takes packets from now on; none if it is null. */
    void attach(TransmitRing started, long backEndOffloads) {
        ring = started;
        offloads = backEndOffloads;
    }

    @Override
    public long offloads() {
        return offloads;
    }

    @Override
    protected int transmit(Burst burst, int[] which, int count) {
        TransmitRing current = ring;
        if (current == null) {
            counters().drop(Drop.LINK_DOWN, count);
            return 0;
        }
        return current.send(burst, which, count);
    }
}
