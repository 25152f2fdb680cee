package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.BitSet;

/**
 * Which processors a thread runs on. Source: sched_setaffinity(2), gettid(2).
 *
 * <p><b>Thread-safety:</b> stateless; each call concerns the calling platform thread. A virtual thread would pin its
 * carrier.
 */
public final class Scheduling {
    /** Bytes of a processor set: room for 8192 processors, the most a kernel can be built for. */
    private static final int CPU_SET_SIZE = 1024;

    private static final MethodHandle GETTID = Native.bind("gettid", FunctionDescriptor.of(JAVA_INT));
    private static final MethodHandle GETCPU = Native.bind("sched_getcpu", FunctionDescriptor.of(JAVA_INT));
    private static final MethodHandle SET_AFFINITY =
            Native.bind("sched_setaffinity", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle GET_AFFINITY =
            Native.bind("sched_getaffinity", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));

    private Scheduling() {}

    /** The kernel's number of the calling thread, as {@code top -H} shows it. */
    public static int threadId() {
        try {
            return (int) GETTID.invokeExact(Native.capture());
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** The processor that the calling thread runs on at this moment. */
    public static int currentCpu() {
        try {
            return Native.result((int) GETCPU.invokeExact(Native.capture()));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** The processors that the calling thread may run on: what a container or {@code taskset} left of the machine. */
    public static BitSet allowedCpus() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment set = arena.allocate(CPU_SET_SIZE, 8);
            int result = Native.result(
                    (int) GET_AFFINITY.invokeExact(Native.capture(), 0, (long) CPU_SET_SIZE, set.address()));
            if (result < 0) {
                throw new LinuxException("sched_getaffinity", result, "");
            }
            return BitSet.valueOf(set.asByteBuffer());
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Keeps the calling thread on one processor; returns 0 or {@code -errno} ({@code -EINVAL} for one it may not use).
     */
    public static int pinCurrentThread(int cpu) {
        BitSet one = new BitSet();
        one.set(cpu);
        return restrictCurrentThread(one);
    }

    /** Keeps the calling thread, and threads it starts later, on these processors; returns 0 or {@code -errno}. */
    public static int restrictCurrentThread(BitSet cpus) {
        if (cpus.length() > CPU_SET_SIZE * 8) {
            return -Errno.EINVAL;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment set = arena.allocate(CPU_SET_SIZE, 8);
            MemorySegment.copy(MemorySegment.ofArray(cpus.toByteArray()), 0, set, 0, (cpus.length() + 7) / 8);
            return Native.result(
                    (int) SET_AFFINITY.invokeExact(Native.capture(), 0, (long) CPU_SET_SIZE, set.address()));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
