package io.gatun.pmd;

import io.gatun.reactor.Reactor;

/** Copies what is sent into a ring, and wakes who takes it from there. */
final class RingTxQueue extends TxQueue {
    private final PacketRing ring;
    private final Reactor receiver;
    private final long offloads;

    RingTxQueue(RingPort port, int index, Reactor owner, Reactor receiver, PacketRing ring, long offloads) {
        super(port, index, owner);
        this.ring = ring;
        this.receiver = receiver;
        this.offloads = offloads;
    }

    @Override
    public long offloads() {
        return offloads;
    }

    @Override
    protected int transmit(Burst burst, int[] which, int count) {
        if (!ring.received) {
            counters().drop(Drop.LINK_DOWN, count);
            return 0;
        }
        Drop obstacle = null;
        int taken = 0;
        try {
            while (taken < count && (obstacle = fill(burst, which[taken])) == null) {
                taken++;
            }
        } finally {
            // Also where the memory of a packet has vanished: those before it are in the ring.
            counters().count(burst, which, taken);
            if (taken != 0 && receiver != null) {
                receiver.wake();
            }
        }
        if (obstacle != null) {
            counters().drop(obstacle, count - taken);
        }
        return taken;
    }

    private Drop fill(Burst burst, int which) {
        PacketBuffer packet = ring.pool.copy(burst, which);
        if (packet == null) {
            return Drop.NO_MEMORY;
        }
        if (!ring.packets.offer(packet)) {
            ring.pool.giveBack(packet);
            return Drop.NO_BUFFER;
        }
        return null;
    }
}
