package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * Waits for many descriptors at once; each carries a token of the caller's choice. Source: epoll(7).
 *
 * <pre>{@code
 * int ready = epoll.await(1000);
 * for (int i = 0; i < ready; i++) {
 *     serve(epoll.token(i), epoll.events(i));
 * }
 * }</pre>
 *
 * <p><b>Thread-safety:</b> {@link #add}, {@link #modify} and {@link #remove} are for any thread; {@link #await} and the
 * results it leaves are for one thread, which is also the one that closes.
 */
public final class Epoll implements AutoCloseable {
    /** Readable. */
    public static final int EPOLLIN = 0x001;
    /** Writable. */
    public static final int EPOLLOUT = 0x004;
    /** An error; always reported. */
    public static final int EPOLLERR = 0x008;
    /** Both directions are shut down; always reported. */
    public static final int EPOLLHUP = 0x010;
    /** The peer shut down its writing side. */
    public static final int EPOLLRDHUP = 0x2000;
    /** Reports once, then the descriptor must be armed again with {@link #modify}. */
    public static final int EPOLLONESHOT = 1 << 30;
    /** Reports changes instead of states: a signalled eventfd need not be drained to let the next wait sleep. */
    public static final int EPOLLET = 1 << 31;

    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int CTL_ADD = 1;
    private static final int CTL_DEL = 2;
    private static final int CTL_MOD = 3;

    /** {@code struct epoll_event} is packed on x86-64 and nowhere else. */
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");

    private static final int EVENT_SIZE = PACKED ? 12 : 16;
    private static final int EVENT_DATA = PACKED ? 4 : 8;

    private static final MethodHandle CREATE = Native.bind("epoll_create1", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle CTL =
            Native.bind("epoll_ctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle WAIT =
            Native.bind("epoll_wait", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT));

    private final Fd fd;
    private final Mapping events;
    private final int maxEvents;

    private Epoll(Fd fd, int maxEvents) {
        this.fd = fd;
        this.maxEvents = maxEvents;
        // One slot more than is waited for: where an argument of epoll_ctl is put together.
        this.events = Mapping.anonymous((maxEvents + 1L) * EVENT_SIZE);
    }

    /** Makes an empty set whose {@link #await} reports up to {@code maxEvents} descriptors at a time. */
    public static Epoll create(int maxEvents) {
        int result;
        try {
            result = Native.result((int) CREATE.invokeExact(Native.capture(), EPOLL_CLOEXEC));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("epoll_create1", result, "raise the limit of open files (ulimit -n)");
        }
        return new Epoll(Fd.owning(result), maxEvents);
    }

    /** This set's own descriptor: readable when something in it is ready, so that sets nest. */
    public Fd fd() {
        return fd;
    }

    /**
     * Watches a descriptor; returns 0 or {@code -errno} ({@code -EPERM} for a regular file, {@code -EEXIST} if watched
     * already).
     */
    public int add(int fd, int events, long token) {
        return control(CTL_ADD, fd, events, token);
    }

    /** Changes what is watched, and arms a one-shot descriptor again; returns 0 or {@code -errno}. */
    public int modify(int fd, int events, long token) {
        return control(CTL_MOD, fd, events, token);
    }

    /**
     * Forgets a descriptor; returns 0 or {@code -errno}. To be called before the descriptor is closed: a peer that
     * holds a copy keeps the watched file, and so its events, alive.
     */
    public int remove(int fd) {
        return control(CTL_DEL, fd, 0, 0);
    }

    /**
     * Waits until something is ready. A wait may end early with nothing: a signal ends it, and so does work that the
     * kernel has to do on this thread for an {@link IoUring}.
     *
     * @param timeoutMillis the longest wait; 0 looks without waiting, -1 waits for ever
     * @return how many results {@link #token} and {@link #events} hold, 0 where nothing is ready, or {@code -errno}
     */
    public int await(int timeoutMillis) {
        int result;
        try {
            result = Native.result(
                    (int) WAIT.invokeExact(Native.capture(), fd.value(), events.address(), maxEvents, timeoutMillis));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        return result == -Errno.EINTR ? 0 : result;
    }

    /** The token of result {@code index} of the last {@link #await}. */
    public long token(int index) {
        return Memory.getLong(events.address() + (long) index * EVENT_SIZE + EVENT_DATA);
    }

    /** The events of result {@code index} of the last {@link #await}. */
    public int events(int index) {
        return Memory.getInt(events.address() + (long) index * EVENT_SIZE);
    }

    @Override
    public void close() {
        fd.close();
        events.close();
    }

    private synchronized int control(int operation, int target, int events, long token) {
        long argument = this.events.address() + (long) maxEvents * EVENT_SIZE;
        Memory.putInt(argument, events);
        Memory.putLong(argument + EVENT_DATA, token);
        try {
            return Native.result(
                    (int) CTL.invokeExact(Native.capture(), fd.value(), operation, target, argument));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
