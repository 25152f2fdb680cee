package io.gatun.pmd;

import io.gatun.reactor.Reactor;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;

/**
 * A packet port: queues of packets in and out, and what is at its other end.
 *
 * <p><b>Thread-safety:</b> any thread, unless a method says otherwise.
 */
public abstract class Port implements AutoCloseable {
    /** The MTU of Ethernet. */
    public static final int DEFAULT_MTU = 1500;

    /** Bytes of an Ethernet header with one VLAN tag, which come on top of the MTU. */
    public static final int HEADER_BYTES = 18;

    public static final int MIN_MTU = 68;
    public static final int MAX_MTU = 65535;

    private final String name;
    private volatile Forwarder forwarder;
    private volatile int mtu = DEFAULT_MTU;
    private volatile Observer observer;

    protected Port(String name) {
        this.name = name;
    }

    public final String name() {
        return name;
    }

    /** What kind of port this is, in a word: {@code vhost}, {@code tap} … */
    public abstract String type();

    public abstract List<RxQueue> rxQueues();

    public abstract List<? extends TxQueue> txQueues();

    /**
     * The transmit queue for packets of a flow: the one whose index is the (unsigned) remainder of {@code hash} by the
     * number of queues that the receiver uses now. So the same hash is the same queue as long as the receiver keeps
     * their number, and a receive queue's index names the transmit queue beside it. Any reactor's thread.
     */
    public abstract TxQueue txFor(int hash);

    /** Whether a peer is there and takes packets. */
    public abstract boolean linkUp();

    /** The largest payload of an Ethernet frame that is not to be segmented, in bytes. */
    public final int mtu() {
        return mtu;
    }

    /** Sets the MTU, {@value #MIN_MTU} to {@value #MAX_MTU}; throws {@link IllegalArgumentException} for others. */
    public void setMtu(int bytes) {
        if (bytes < MIN_MTU || bytes > MAX_MTU) {
            throw new IllegalArgumentException("an MTU is " + MIN_MTU + " to " + MAX_MTU + " bytes, not " + bytes);
        }
        mtu = bytes;
    }

    /** Where everything that this port receives goes from now on; null drops it. */
    public final void forwardTo(Forwarder next) {
        forwarder = next;
        forwarderChanged();
    }

    /**
     * Replaces who sees the port's packets, if it is {@code expected} now; null is nobody. The old one may still be
     * called by threads that are at it.
     *
     * @return whether it was {@code expected}
     */
    @SuppressWarnings("ReferenceEquality") // this very one
    public final synchronized boolean observe(Observer expected, Observer next) {
        if (observer != expected) {
            return false;
        }
        observer = next;
        return true;
    }

    final Observer observer() {
        return observer;
    }

    final Forwarder forwarder() {
        return forwarder;
    }

    /** For subclasses: whether what this port receives goes anywhere. */
    protected final boolean hasForwarder() {
        return forwarder != null;
    }

    /** For subclasses: {@link #forwardTo} was called. */
    protected void forwarderChanged() {}

    /** For subclasses: makes a receive queue of this port. */
    protected final RxQueue newRxQueue(int index, Reactor owner) {
        return new RxQueue(this, index, owner);
    }

    /**
     * For subclasses: runs something on an owner's thread and waits for it. Runs it here if there is no owner, or if
     * its reactor has been closed.
     */
    protected static void runOn(Reactor owner, Runnable command) {
        if (owner == null || owner.inReactorThread()) {
            command.run();
            return;
        }
        CompletableFuture<Void> done;
        try {
            done = owner.submit(command);
        } catch (RejectedExecutionException closed) {
            command.run();
            return;
        }
        done.join();
    }

    /** For subclasses: the peer has come or gone. */
    protected final void linkChanged(boolean up) {
        Forwarder current = forwarder;
        if (current != null) {
            current.linkChanged(this, up);
        }
    }

    /**
     * Sends what other reactors have handed over, takes the port off its reactors and frees what it holds. Nobody sends
     * to it any more. Not for a reactor's thread.
     */
    @Override
    public final void close() {
        txQueues().forEach(TxQueue::retire);
        release();
    }

    /** Takes the port off its reactors and frees what it holds, once; further calls do nothing. */
    protected abstract void release();

    @Override
    public final String toString() {
        return type() + ":" + name;
    }
}
