package io.gatun.vhostuser;

import io.gatun.reactor.Reactor;
import io.gatun.vring.DeviceQueue;

/**
 * What a {@link QueueHandler} sees of its ring from start to stop: the queue, and how to tell the driver.
 *
 * <p><b>Thread-safety:</b> the reactor's thread only, except {@link #index}, {@link #features} and {@link #counters}.
 */
public final class Vring {
    private final int index;
    private final DeviceQueue queue;
    private final Reactor reactor;
    private final VringCounters counters;
    private final PeerSignal signal = new PeerSignal();

    /** The driver's eventfd, or -1 while there is none: the driver polls, or has not said yet. */
    private int callFd;

    /**
     * Outside of a session only tests need one.
     *
     * @param callFd the driver's eventfd, which the caller keeps open, or -1
     */
    public Vring(int index, DeviceQueue queue, Reactor reactor, int callFd, VringCounters counters) {
        this.index = index;
        this.queue = queue;
        this.reactor = reactor;
        this.callFd = callFd;
        this.counters = counters;
    }

    public DeviceQueue queue() {
        return queue;
    }

    public int index() {
        return index;
    }

    /** The one reactor that serves this ring; null where a test drives the handler itself. */
    public Reactor reactor() {
        return reactor;
    }

    /** The negotiated features, without the protocol's own bit 30. */
    public long features() {
        return queue.features();
    }

    public VringCounters counters() {
        return counters;
    }

    /**
     * Makes every chain put back since the last call visible, and calls the driver if it wants to be called. Cheap if
     * there is nothing to publish.
     *
     * @param chains how many were put back: counted, no more
     */
    public void publish(int chains) {
        if (queue.publishUsed()) {
            call();
        }
        if (chains != 0) {
            counters.published(chains);
        }
    }

    /** As {@link #publish(int)} for handlers that count chains elsewhere or not at all. */
    public void publish() {
        publish(0);
    }

    /** How this ring signals its front-end. */
    PeerSignal signal() {
        return signal;
    }

    /**
     * Swaps the driver's eventfd; a driver with a running ring is called, so that no notification is lost in between.
     */
    void replaceCallFd(int fd) {
        callFd = fd;
        if (counters.publishes() != 0 || queue.mayOweCall()) {
            call();
        }
    }

    /** The ring has started; a predecessor may have died between publishing and calling. */
    void started() {
        if (queue.mayOweCall()) {
            call();
        }
    }

    private void call() {
        int fd = callFd;
        if (fd >= 0) {
            counters.called();
            signal.signal(fd);
        }
    }
}
