package io.gatun.pmd;

import io.gatun.reactor.Reactor;

/**
 * One receive queue of a port: where bursts come from.
 *
 * <p><b>Thread-safety:</b> {@link #deliver} is for the owner; the rest for any thread.
 */
public final class RxQueue {
    private final Port port;
    private final int index;
    private final Reactor owner;
    private final QueueCounters counters = new QueueCounters();

    RxQueue(Port port, int index, Reactor owner) {
        this.port = port;
        this.index = index;
        this.owner = owner;
    }

    public Port port() {
        return port;
    }

    /** Its number among the port's receive queues, from 0. */
    public int index() {
        return index;
    }

    /** The reactor that polls this queue; null where a test drives it. */
    public Reactor owner() {
        return owner;
    }

    public QueueCounters counters() {
        return counters;
    }

    /** Counts a burst that is not empty and hands it to the port's forwarder. For the port's own poller. */
    public void deliver(Burst burst) {
        counters.count(burst, Burst.ALL, burst.count);
        Observer observer = port.observer();
        if (observer != null) {
            observer.received(this, burst);
        }
        Forwarder forwarder = port.forwarder();
        if (forwarder == null) {
            counters.drop(Drop.NO_DESTINATION, burst.count);
        } else {
            forwarder.forward(this, burst);
        }
    }

    @Override
    public String toString() {
        return port.name() + " rx" + index;
    }
}
