package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A non-blocking eventfd: a counter that wakes whoever sleeps on it. Source: eventfd(2).
 *
 * <p>A peer's kick and call descriptors are plain numbers here ({@link #signal(int)}, {@link #drain(int)}). What a peer
 * sends need not be an eventfd, and need not be non-blocking: {@link #isEventFd} tells, and {@link #makeNonBlocking}
 * repairs the second before the descriptor is first used. A peer shares the open file and could clear the flag again
 * and saturate the counter; a thread caught in such a write is freed by a {@link #drain(int)} from any other thread.
 *
 * <p><b>Thread-safety:</b> {@code signal} is for any thread, and so is the static {@code drain}; {@link #drain()} is
 * for one thread at a time, because its result passes through this object.
 */
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int EFD_NONBLOCK = 0x800;

    private static final MethodHandle EVENTFD =
            Native.bind("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));

    private static final long ONE = Arena.global().allocateFrom(JAVA_LONG, 1).address();
    /** Where counts go that nobody reads. */
    private static final long IGNORED = Arena.global().allocate(JAVA_LONG).address();

    private final Fd fd;
    private final MemorySegment count = Arena.ofAuto().allocate(JAVA_LONG);

    private EventFd(Fd fd) {
        this.fd = fd;
    }

    /** Makes one with a count of zero, non-blocking and closed on exec. */
    public static EventFd create() {
        int result;
        try {
            result = Native.result((int) EVENTFD.invokeExact(Native.capture(), 0, EFD_CLOEXEC | EFD_NONBLOCK));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("eventfd", result, "raise the limit of open files (ulimit -n)");
        }
        return new EventFd(Fd.owning(result));
    }

    public Fd fd() {
        return fd;
    }

    /** The descriptor's number, as a peer is sent it. */
    public int value() {
        return fd.value();
    }

    /** Adds one; returns 0 or {@code -errno}. */
    public int signal() {
        return signal(fd.value());
    }

    /** Takes the whole count: how often this was signalled since the last call, 0 if not at all, or {@code -errno}. */
    public long drain() {
        long result = FileIo.read(fd.value(), count.address(), 8);
        return result < 0 ? result == -Errno.EAGAIN ? 0 : result : count.get(JAVA_LONG, 0);
    }

    /**
     * Adds one to a peer's eventfd; returns 0 or {@code -errno}. A saturated counter is a success: the peer has not
     * even seen the earlier signals.
     */
    public static int signal(int fd) {
        long result = FileIo.write(fd, ONE, 8);
        return result >= 0 || result == -Errno.EAGAIN ? 0 : (int) result;
    }

    /** Resets a peer's eventfd; returns 1 if it had been signalled, 0 if not, or {@code -errno}. */
    public static int drain(int fd) {
        long result = FileIo.read(fd, IGNORED, 8);
        return result == -Errno.EAGAIN ? 0 : result < 0 ? (int) result : result == 8 ? 1 : -Errno.EPIPE;
    }

    /**
     * Whether a descriptor is an eventfd, rather than a file, pipe or socket that a peer sent in its place; allocates.
     */
    public static boolean isEventFd(int fd) {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).toString();
            return target.equals("anon_inode:[eventfd]");
        } catch (IOException absentOrNoProc) {
            return false;
        }
    }

    /**
     * Sets {@code O_NONBLOCK} on a peer's descriptor, so that neither signal nor drain can stop a reactor; 0 or {@code
     * -errno}.
     */
    public static int makeNonBlocking(int fd) {
        return Fd.makeNonBlocking(fd);
    }

    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return "eventfd " + fd.value();
    }
}
