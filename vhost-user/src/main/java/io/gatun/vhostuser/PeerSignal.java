package io.gatun.vhostuser;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.ThreadFactory;

/**
 * Signals the eventfds of one ring's front-end, and gets out of it when the front-end makes that impossible.
 *
 * <p>A front-end shares the open file: it can clear {@code O_NONBLOCK} and saturate the counter, and the next signal
 * blocks the reactor, and with it the rings of others. The kernel has no signal that cannot block. So the control loop
 * looks at every ring once in a while: a signal that has been under way since the last look is freed by draining the
 * eventfd, and the ring never signals again.
 *
 * <p><b>Thread-safety:</b> {@link #signal} is for the ring's reactor, the rest for the control loop.
 */
final class PeerSignal {
    private static final VarHandle UNDER_WAY;
    private static final VarHandle BEGUN;
    private static final int NONE = -1;
    private static final ThreadFactory THREADS =
            Thread.ofPlatform().name("gatun-free-signal").daemon(true).factory();

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            UNDER_WAY = lookup.findVarHandle(PeerSignal.class, "underWay", int.class);
            BEGUN = lookup.findVarHandle(PeerSignal.class, "begun", long.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    @SuppressWarnings("UnusedVariable") // Read and written through its handle.
    private int underWay = NONE;

    private long begun;
    private volatile boolean silent;

    // The control loop's.
    private long seen = -1;
    private long begunBefore;
    private boolean quiet;

    /** Signals an eventfd, unless this ring has been silenced. */
    void signal(int fd) {
        if (silent) {
            return;
        }
        BEGUN.setOpaque(this, begun + 1);
        UNDER_WAY.setRelease(this, fd);
        EventFd.signal(fd);
        UNDER_WAY.setRelease(this, NONE);
    }

    /** Whether the signal that was under way at the last look still is; to be called at intervals. */
    boolean isStuck() {
        boolean busy = (int) UNDER_WAY.getAcquire(this) != NONE;
        long now = (long) BEGUN.getOpaque(this);
        boolean stuck = busy && now == seen;
        seen = busy ? now : -1;
        quiet = !busy && now == begunBefore;
        begunBefore = now;
        return stuck;
    }

    /** Whether nothing was signalled between the last two looks: the next may come later. */
    boolean isQuiet() {
        return quiet;
    }

    /**
     * Silences the ring and frees its reactor; a thread of its own does that, because the front-end could block it too.
     *
     * @param descriptors what the ring signals; they stay the caller's
     */
    void free(List<Fd> descriptors) {
        free(descriptors, THREADS);
    }

    void free(List<Fd> descriptors, ThreadFactory threads) {
        silent = true;
        for (Fd descriptor : descriptors) {
            // A copy, because the ring's own may be closed before the thread has its turn.
            Fd copy = descriptor.duplicate();
            try {
                threads.newThread(() -> {
                            try (copy) {
                                EventFd.makeNonBlocking(copy.value());
                                EventFd.drain(copy.value());
                            }
                        })
                        .start();
            } catch (OutOfMemoryError noThread) {
                copy.close();
                throw noThread;
            }
        }
    }
}
