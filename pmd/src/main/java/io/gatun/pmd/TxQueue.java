package io.gatun.pmd;

import io.gatun.pmd.offload.SoftwareOffload;
import io.gatun.reactor.Reactor;

/**
 * One transmit queue of a port: where packets go.
 *
 * <p>Sending copies, so the burst is the caller's again when {@link #send} returns. A queue never waits: what the
 * receiver has no room for is dropped and counted. What the receiver cannot do itself ({@link #offloads}) is done in
 * software first; a packet longer than the port's MTU that is not to be segmented is dropped.
 *
 * <p><b>Thread-safety:</b> {@link #send} may be called on any reactor's thread; on another than the {@link #owner}'s
 * the packets are copied into pool buffers and handed over. Everything else that is not a getter belongs to the owner.
 */
public abstract class TxQueue {
    private final Port port;
    private final int index;
    private final Reactor owner;
    private final QueueCounters counters = new QueueCounters();

    /** The way from other reactors; null until one of them sends. */
    private volatile Handover handover;

    private boolean retired;

    /** Owner's; made when the first packet asks for something. */
    private SoftwareOffload software;

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
        Reactor reactor = owner;
        if (reactor == null || reactor.inReactorThread()) {
            sendOwned(burst, which, count);
        } else {
            handOver(burst, which, count);
        }
    }

    /** Sends from the owner's thread. */
    final void sendOwned(Burst burst, int[] which, int count) {
        Observer observer = port.observer();
        if (observer != null) {
            observer.sent(this, burst, which, count);
        }
        long asked = 0;
        int longest = 0;
        for (int i = 0; i < count; i++) {
            int packet = which[i];
            asked |= burst.offloads[packet];
            longest = Math.max(longest, burst.lengths[packet]);
        }
        if (asked == 0 && longest <= port.mtu() + Port.HEADER_BYTES) {
            transmit(burst, which, count);
        } else {
            finish(burst, which, count);
        }
    }

    /** Sends packets of which some ask for something, or are too long. */
    private void finish(Burst burst, int[] which, int count) {
        if (software == null) {
            software = new SoftwareOffload(counters);
        }
        int maxFrameBytes = port.mtu() + Port.HEADER_BYTES;
        if (software.passes(burst, which, count, offloads(), maxFrameBytes)) {
            transmit(burst, which, count);
            return;
        }
        software.start(burst, which, count, offloads(), maxFrameBytes);
        while (software.fill()) {
            transmit(software.burst(), Burst.ALL, software.burst().count);
        }
    }

    /**
     * What the receiver can do itself, as bits of {@link Offloads}: {@link #transmit} is given no packet that asks for
     * more.
     */
    public abstract long offloads();

    /**
     * Copies packets to the receiver, counts those that it took, and drops and counts the others. Owner only;
     * {@code which} is only to be read.
     *
     * @return how many were taken
     */
    protected abstract int transmit(Burst burst, int[] which, int count);

    /**
     * The receiver's memory vanished while packets of another reactor were copied to it. Owner only; whatever else the
     * port does with that memory will find out too.
     */
    protected void vanished(InternalError cause) {}

    /** Ends the way from other reactors, after what is on it was sent, and frees memory; for the port's close. */
    final void retire() {
        Handover ending;
        synchronized (this) {
            retired = true;
            ending = handover;
        }
        if (ending != null) {
            ending.close();
        }
        if (software != null) {
            software.close();
            software = null;
        }
    }

    /** For tests; null until another reactor has sent. */
    final Handover handover() {
        return handover;
    }

    private void handOver(Burst burst, int[] which, int count) {
        Handover way = handover;
        if (way == null) {
            way = openHandover();
        }
        if (way != null) {
            way.take(burst, which, count);
        }
    }

    private synchronized Handover openHandover() {
        if (handover == null && !retired) {
            handover = new Handover(this);
        }
        return handover;
    }

    @Override
    public final String toString() {
        return port.name() + " tx" + index;
    }
}
