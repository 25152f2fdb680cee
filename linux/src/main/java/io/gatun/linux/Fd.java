package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;

/**
 * Owns one file descriptor and closes it once.
 *
 * <p><b>Thread-safety:</b> {@link #close} may be called from any thread, any number of times. Who uses {@link #value()}
 * after a close uses a number that may by then be another file's: owners close last.
 */
public final class Fd implements AutoCloseable {
    private static final Pattern OF_THE_JVM = Pattern.compile("/(proc|sys)/.*|.*\\.(jar|class)|/dev/u?random");
    private static final MethodHandle CLOSE = Native.bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    private static final MethodHandle FCNTL =
            Native.bindVariadic("fcntl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int O_NONBLOCK = 0x800;

    private final int value;
    private final AtomicBoolean closed = new AtomicBoolean();

    private Fd(int value) {
        this.value = value;
    }

    /** Takes ownership of an open descriptor. */
    public static Fd owning(int value) {
        if (value < 0) {
            throw new IllegalArgumentException("not a file descriptor: " + value + " (" + Errno.name(value) + ")");
        }
        return new Fd(value);
    }

    public int value() {
        return value;
    }

    public boolean isClosed() {
        return closed.get();
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            closeRaw(value);
        }
    }

    /** Another descriptor of the same open file, closed on exec; throws {@link LinuxException}. */
    public Fd duplicate() {
        int result = control(value, F_DUPFD_CLOEXEC, 0);
        if (result < 0) {
            throw new LinuxException("duplicate " + this, result, "raise the limit of open files (ulimit -n)");
        }
        return new Fd(result);
    }

    /**
     * How many descriptors this process has open: what leak tests count. Those that the JVM opens at any moment for
     * itself are left out: files of {@code /proc} and {@code /sys}, classes, and its sources of random numbers.
     */
    public static int openCount() {
        int count = 0;
        try (DirectoryStream<Path> links = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path link : links) {
                count += isLasting(link) ? 1 : 0;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("/proc/self/fd cannot be listed; mount /proc", e);
        }
        return count;
    }

    private static boolean isLasting(Path link) {
        try {
            return !OF_THE_JVM.matcher(Files.readSymbolicLink(link).toString()).matches();
        } catch (IOException closedMeanwhile) {
            return false;
        }
    }

    /** Sets {@code O_NONBLOCK} on an open file; returns 0 or {@code -errno}. */
    static int makeNonBlocking(int fd) {
        int flags = control(fd, F_GETFL, 0);
        return flags < 0 ? flags : control(fd, F_SETFL, flags | O_NONBLOCK);
    }

    /** fcntl(2), with an argument that is a number or an address. */
    static int control(int fd, int command, long argument) {
        try {
            return Native.result((int) FCNTL.invokeExact(Native.capture(), fd, command, argument));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Closes a descriptor that no {@code Fd} owns, such as one that a peer sent unasked; returns 0 or {@code -errno}.
     */
    public static int closeRaw(int fd) {
        MemorySegment capture = Native.capture();
        try {
            return Native.result((int) CLOSE.invokeExact(capture, fd));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    @Override
    public String toString() {
        return "fd " + value + (closed.get() ? " (closed)" : "");
    }
}
