package io.gatun.vhostuser;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;
import io.gatun.vring.DriverQueue;
import java.time.Duration;
import java.util.List;

/**
 * A queue of a front-end: the driver's side of the ring, and the eventfds beside it.
 *
 * <p><b>Thread-safety:</b> one thread owns the driver's side and calls the methods here.
 */
public final class FrontendQueue implements AutoCloseable {
    private final int index;
    private final DriverQueue driver;
    private final EventFd kick = EventFd.create();
    private final EventFd call = EventFd.create();
    private final EventFd error = EventFd.create();
    private final Epoll calls = Epoll.create(1);
    private final PeerSignal signal = new PeerSignal();

    FrontendQueue(int index, DriverQueue driver) {
        this.index = index;
        this.driver = driver;
        int result = calls.add(call.fd().value(), Epoll.EPOLLIN, 0);
        if (result < 0) {
            throw new LinuxException("wait for calls of queue " + index, result, "");
        }
    }

    public int index() {
        return index;
    }

    public DriverQueue driver() {
        return driver;
    }

    /** Tells the device that there are buffers: due whenever {@link DriverQueue#publishAvailable} says so. */
    public void kick() {
        signal.signal(kick.fd().value());
    }

    /**
     * Frees a {@link #kick} that the back-end has made block, as it can: the eventfd is shared. To be called at
     * intervals, on another thread than the owner's; a kick that is still under way at the second call is freed, and
     * the queue kicks no more.
     *
     * @return whether that has happened
     */
    public boolean freeStuckKick() {
        boolean stuck = signal.isStuck();
        if (stuck) {
            signal.free(List.of(kick.fd()));
        }
        return stuck;
    }

    /** Waits until the device calls, and takes the call; false if it does not in time. */
    public boolean awaitCall(Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (call.drain() == 0) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            calls.await(Math.clamp((left + 999_999) / 1_000_000, 0, Integer.MAX_VALUE));
        }
        return true;
    }

    /** Whether the back-end has said, since the last time we asked, that this queue is broken. */
    public boolean takeError() {
        return error.drain() > 0;
    }

    /** What the back-end sleeps on. */
    public EventFd kickFd() {
        return kick;
    }

    /** What the back-end signals after it used buffers. */
    public EventFd callFd() {
        return call;
    }

    /** What the back-end signals when the queue broke. */
    public EventFd errorFd() {
        return error;
    }

    @Override
    public void close() {
        calls.close();
        kick.close();
        call.close();
        error.close();
    }

    @Override
    public String toString() {
        return "queue " + index;
    }
}
