package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * Binds libc functions, with {@code errno} captured per thread; the only user of the native linker.
 *
 * <p>Each handle takes the capture segment as its first argument and keeps {@code long} for every pointer, so that
 * calls neither box nor, once C2 has compiled them, allocate (until then the linker slices the capture segment each
 * time). Callers invoke exactly and pass the result through {@link #result(long)}.
 */
final class Native {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> CAPTURED =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

    /** The shortest way through native code and back. */
    private static final MethodHandle ABS =
            LINKER.downcallHandle(symbol("abs"), FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    private Native() {}

    /** Binds {@code name}, a function without variadic arguments. */
    static MethodHandle bind(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(symbol(name), type, Linker.Option.captureCallState("errno"));
    }

    /** Binds {@code name}, whose arguments from index {@code firstVariadic} on are variadic. */
    static MethodHandle bindVariadic(String name, int firstVariadic, FunctionDescriptor type) {
        return LINKER.downcallHandle(
                symbol(name),
                type,
                Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(firstVariadic));
    }

    /** The calling thread's capture segment: the first argument of every bound handle. */
    static MemorySegment capture() {
        return CAPTURED.get();
    }

    /** Maps libc's {@code -1 and errno} to {@code -errno}; other results pass. */
    static long result(long value) {
        return value == -1 ? -(int) ERRNO.get(CAPTURED.get(), 0L) : value;
    }

    /** Maps libc's {@code -1 and errno} to {@code -errno}; other results pass. */
    static int result(int value) {
        return value == -1 ? -(int) ERRNO.get(CAPTURED.get(), 0L) : value;
    }

    /** Goes through native code, on whose way back the JVM delivers what is pending for the thread. */
    static void pause() {
        try {
            int ignored = (int) ABS.invokeExact(0);
        } catch (Throwable t) {
            throw unreachable(t);
        }
    }

    /**
     * What an impossible throwable of a downcall becomes: the linker declares {@code Throwable}, C functions throw
     * nothing.
     */
    static AssertionError unreachable(Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        return new AssertionError("a native call threw", cause);
    }

    private static MemorySegment symbol(String name) {
        return LINKER.defaultLookup()
                .find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError("libc has no " + name + "; Gatun needs Linux"));
    }
}
