package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** What a container's runtime does: makes one system call fail with EPERM, here for one thread. Source: seccomp(2). */
final class SeccompFilter {
    private static final MethodHandle PRCTL = Native.bindVariadic(
            "prctl", 1, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final int PR_SET_SECCOMP = 22;
    private static final int PR_SET_NO_NEW_PRIVS = 38;
    private static final long MODE_FILTER = 2;

    private SeccompFilter() {}

    /** For good: the calling thread, and threads that it starts, never get the system call back. */
    static void forbidOnThisThread(int systemCall) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = arena.allocate(4 * 8, 8);
            instruction(program, 0, 0x20, 0, 0);
            instruction(program, 1, 0x15, 1, systemCall);
            instruction(program, 2, 0x06, 0, 0x0005_0000 | Errno.EPERM);
            instruction(program, 3, 0x06, 0, 0x7fff_0000);
            MemorySegment header = arena.allocate(16, 8);
            header.set(JAVA_SHORT, 0, (short) 4);
            header.set(JAVA_LONG, 8, program.address());
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
            prctl(PR_SET_SECCOMP, MODE_FILTER, header.address());
        }
    }

    private static void instruction(MemorySegment program, int index, int code, int jumpIfFalse, int operand) {
        program.set(JAVA_SHORT, index * 8L, (short) code);
        program.set(JAVA_BYTE, index * 8L + 3, (byte) jumpIfFalse);
        program.set(JAVA_INT, index * 8L + 4, operand);
    }

    private static void prctl(int option, long first, long second) {
        int result;
        try {
            result = Native.result((int) PRCTL.invokeExact(Native.capture(), option, first, second, 0L, 0L));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("prctl " + option, result, "");
        }
    }
}
