package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Keeps pages in memory, and says how many this process may keep. Source: mlock(2), getrlimit(2).
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class MemoryLock {
    /** The limit of who has none. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    private static final int RLIMIT_MEMLOCK = 8;

    private static final MethodHandle MLOCK =
            Native.bind("mlock", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MUNLOCK =
            Native.bind("munlock", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle GETRLIMIT =
            Native.bind("getrlimit", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));

    private MemoryLock() {}

    /** Brings the pages of a range into memory and keeps them there; returns 0 or {@code -errno}. */
    public static int lock(long address, long lengthBytes) {
        try {
            return Native.result((int) MLOCK.invokeExact(Native.capture(), address, lengthBytes));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Undoes {@link #lock}, however often it was called; returns 0 or {@code -errno}. */
    public static int unlock(long address, long lengthBytes) {
        try {
            return Native.result((int) MUNLOCK.invokeExact(Native.capture(), address, lengthBytes));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** How many bytes this process may lock unless it has CAP_IPC_LOCK; 0 where the kernel does not say. */
    public static long limitBytes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment limit = arena.allocate(16, 8);
            int result = (int) GETRLIMIT.invokeExact(Native.capture(), RLIMIT_MEMLOCK, limit.address());
            long soft = limit.get(JAVA_LONG, 0);
            return result != 0 ? 0 : soft < 0 ? UNLIMITED : soft;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** What to do where the limit is too low for {@code moreBytes} on top of what is locked. */
    public static String remedy(long moreBytes) {
        long limit = limitBytes();
        String now = limit == UNLIMITED ? "unlimited" : (limit >> 10) + " KiB";
        return "locking " + ((moreBytes + 1023) >> 10) + " KiB more exceeds the limit of locked memory, now " + now
                + ": raise it (ulimit -l, or LimitMEMLOCK= of the service), or give the process CAP_IPC_LOCK";
    }
}
