package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Owns one file descriptor and closes it once.
 *
 * <p><b>Thread-safety:</b> {@link #close} may be called from any thread, any number of times. Who uses {@link #value()}
 * after a close uses a number that may by then be another file's: owners close last.
 */
public final class Fd implements AutoCloseable {
    private static final MethodHandle CLOSE = Native.bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

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

    /** Closes a descriptor that no {@code Fd} owns; returns 0 or {@code -errno}. */
    static int closeRaw(int fd) {
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
