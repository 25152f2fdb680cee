package io.gatun.pmd;

import io.gatun.reactor.Reactor;

/**
 * One transmit queue of a port: where packets go.
 *
 * <p>Sending copies, so the burst is the caller's again when {@link #send} returns. A queue never waits: what the
 * receiver has no room for is dropped and counted.
 *
 * <p><b>Thread-safety:</b> {@link #send} may be called on any reactor's thread; on another than the {@link #owner}'s
 * the packets are copied into pool buffers and handed over. Everything else that is not a getter belongs to the owner.
 */
public abstract class TxQueue {
    private final Port port;
    private final int index;
    private final Reactor owner;
    private final QueueCounters counters = new QueueCounters();

    /** What {@link #port} is told by a subclass; owner is null where a test drives the queue. */
    protected TxQueue(Port port, int index, Reactor owner) {
        this.port = port;
        this.index = index;
        this.owner = owner;
    }

    public final Port port() {
        return port;
    }

    /** Its number among the port's transmit queues, from 0. */
    public final int index() {
        return index;
    }

    public final Reactor owner() {
        return owner;
    }

    public final QueueCounters counters() {
        return counters;
    }

    /** Sends every packet of a burst. */
    public final void send(Burst burst) {
        send(burst, Burst.ALL, burst.count);
    }

    /** Sends the packets that the first {@code count} elements of {@code which} name, in that order. */
    public final void send(Burst burst, int[] which, int count) {
        transmit(burst, which, count);
    }

    /** The offloads that {@link #transmit} may be given: bits of {@link Offloads}. */
    public abstract long offloads();

    /**
     * Copies packets to the receiver, counts those that it took, and drops and counts the others. Owner only.
     *
     * @return how many were taken
     */
    protected abstract int transmit(Burst burst, int[] which, int count);

    @Override
    public final String toString() {
        return port.name() + " tx" + index;
    }
}
