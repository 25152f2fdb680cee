package io.gatun.pmd;

import io.gatun.reactor.Poller;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One end of a cable within this process: what is sent here is received at the other end. For applications that embed a
 * switch, and to link two switches.
 *
 * <p>An application receives by {@link #forwardTo} and sends by {@code txFor(hash).send(burst)}, from any thread.
 *
 * <p><b>Thread-safety:</b> as every {@link Port}.
 */
public final class RingPort extends Port {
    private final RingOptions options;
    private final List<RxQueue> rx = new ArrayList<>();
    private final List<RingTxQueue> tx = new ArrayList<>();
    private final List<RingPoller> pollers = new ArrayList<>();
    private final AtomicInteger openEnds;
    private final List<PacketRing> incoming;
    private final List<PacketRing> outgoing;
    private boolean released;

    private RingPort(
            String name,
            RingOptions options,
            List<PacketRing> incoming,
            List<PacketRing> outgoing,
            List<Reactor> reactors,
            List<Reactor> peers,
            AtomicInteger openEnds) {
        super(name);
        this.options = options;
        this.openEnds = openEnds;
        this.incoming = incoming;
        this.outgoing = outgoing;
        for (int i = 0; i < options.queues(); i++) {
            Reactor owner = reactors.isEmpty() ? null : reactors.get(i % reactors.size());
            Reactor peer = peers.isEmpty() ? null : peers.get(i % peers.size());
            RxQueue queue = newRxQueue(i, owner);
            rx.add(queue);
            tx.add(new RingTxQueue(this, i, owner, peer, outgoing.get(i), options.offloads()));
            pollers.add(new RingPoller(queue, incoming.get(i)));
        }
    }

    /**
     * Makes two ports that are each other's peer.
     *
     * @param firstReactors who polls the first port's queues, in turn; empty if {@link #poll} is called instead
     * @param secondReactors likewise for the second
     */
    public static Pair pair(
            String first,
            List<Reactor> firstReactors,
            String second,
            List<Reactor> secondReactors,
            RingOptions options) {
        List<PacketRing> there = new ArrayList<>();
        List<PacketRing> back = new ArrayList<>();
        for (int i = 0; i < options.queues(); i++) {
            there.add(new PacketRing(options));
            back.add(new PacketRing(options));
        }
        AtomicInteger ends = new AtomicInteger(2);
        RingPort a = new RingPort(first, options, back, there, firstReactors, secondReactors, ends);
        RingPort b = new RingPort(second, options, there, back, secondReactors, firstReactors, ends);
        a.begin();
        b.begin();
        return new Pair(a, b);
    }

    /** Both ends of one cable. */
    public record Pair(RingPort first, RingPort second) implements AutoCloseable {
        @Override
        public void close() {
            first.close();
            second.close();
        }
    }

    @Override
    public String type() {
        return "ring";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return List.copyOf(rx);
    }

    @Override
    public List<? extends TxQueue> txQueues() {
        return List.copyOf(tx);
    }

    @Override
    public TxQueue txFor(int hash) {
        return tx.get(options.queues() == 1 ? 0 : Integer.remainderUnsigned(hash, options.queues()));
    }

    /** Whether the other end is open. */
    @Override
    public boolean linkUp() {
        return outgoing.getFirst().received;
    }

    /** Receives what is there from queue {@code index}, which no reactor polls; returns the number of packets. */
    public int poll(int index) {
        assert rx.get(index).owner() == null : this + " is polled by its reactors";
        return pollers.get(index).poll();
    }

    /** The pool of what this end sends, for tests. */
    PacketPool pool(int index) {
        return outgoing.get(index).pool;
    }

    @Override
    protected synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        incoming.forEach(ring -> ring.received = false);
        for (RingPoller poller : pollers) {
            Reactor owner = poller.queue.owner();
            runOn(owner, () -> {
                if (owner != null) {
                    owner.remove(poller);
                }
            });
            poller.burst.close();
        }
        if (openEnds.decrementAndGet() == 0) {
            incoming.forEach(PacketRing::close);
            outgoing.forEach(PacketRing::close);
        }
    }

    private void begin() {
        for (RingPoller poller : pollers) {
            Reactor owner = poller.queue.owner();
            if (owner != null) {
                owner.execute(() -> owner.add(poller));
            }
        }
    }

    /** Delivers what the other end has sent. */
    private static final class RingPoller implements Poller {
        private final RxQueue queue;
        private final PacketRing ring;
        private final Burst burst = new Burst();
        private final PacketBuffer[] delivering = new PacketBuffer[Burst.CAPACITY];

        RingPoller(RxQueue queue, PacketRing ring) {
            this.queue = queue;
            this.ring = ring;
        }

        @Override
        public int poll() {
            int count = 0;
            PacketBuffer packet;
            while (count < Burst.CAPACITY && (packet = ring.packets.relaxedPoll()) != null) {
                delivering[count++] = packet;
                packet.addTo(burst);
            }
            if (count != 0) {
                deliver(count);
            }
            return count;
        }

        private void deliver(int count) {
            try {
                queue.deliver(burst);
            } finally {
                burst.clear();
                for (int i = 0; i < count; i++) {
                    ring.pool.giveBack(delivering[i]);
                    delivering[i] = null;
                }
            }
        }

        /** The sender wakes the owner after it has filled the ring. */
        @Override
        public boolean arm() {
            return ring.packets.isEmpty();
        }

        @Override
        public String toString() {
            return queue.toString();
        }
    }
}
