package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * Tells the kernel how a range of a mapping is used; ranges are page-aligned. Source: madvise(2).
 *
 * <p>Each method returns 0 or {@code -errno}.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class MemoryAdvice {
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;

    private static final MethodHandle MADVISE =
            Native.bind("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private MemoryAdvice() {}

    /** Gives the pages of private anonymous memory back; they read as zeros when touched again. */
    public static int free(long address, long lengthBytes) {
        return advise(address, lengthBytes, MADV_DONTNEED);
    }

    /** Asks for transparent hugepages where the range is touched. */
    public static int preferHugepages(long address, long lengthBytes) {
        return advise(address, lengthBytes, MADV_HUGEPAGE);
    }

    private static int advise(long address, long lengthBytes, int advice) {
        try {
            return Native.result((int) MADVISE.invokeExact(Native.capture(), address, lengthBytes, advice));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
