package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/** ioctl(2), for the classes that know what its requests mean. */
final class Ioctl {
    private static final MethodHandle IOCTL =
            Native.bindVariadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));

    private Ioctl() {}

    /** Returns the request's result or {@code -errno}. */
    static int call(int fd, long request, long argument) {
        try {
            return Native.result((int) IOCTL.invokeExact(Native.capture(), fd, request, argument));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
