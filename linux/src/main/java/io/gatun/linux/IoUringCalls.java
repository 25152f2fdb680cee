package io.gatun.linux;

import static io.gatun.linux.IoUringLayout.REGISTER_BUFFERS;
import static io.gatun.linux.IoUringLayout.REGISTER_EVENTFD;
import static io.gatun.linux.IoUringLayout.REGISTER_FILES;
import static io.gatun.linux.IoUringLayout.REGISTER_FILES_UPDATE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** The three system calls of io_uring, for which libc has no functions, and what to do when the kernel forbids them. */
final class IoUringCalls {
    /** The same numbers on every machine. */
    private static final long SETUP = 425;

    private static final long ENTER = 426;
    private static final long REGISTER = 427;

    private static final MethodHandle SYSCALL = Native.bindVariadic(
            "syscall",
            1,
            FunctionDescriptor.of(
                    JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

    private IoUringCalls() {}

    /** Returns the ring's descriptor or {@code -errno}. */
    static int setup(int entries, long params) {
        return call(SETUP, entries, params, 0, 0);
    }

    /** Returns how many entries the kernel took, or {@code -errno}. */
    static int enter(int fd, int submit, int minComplete, int flags) {
        return call(ENTER, fd, submit, minComplete, flags);
    }

    /** Returns 0 or more, or {@code -errno}. */
    static int register(int fd, int operation, long argument, int count) {
        return call(REGISTER, fd, operation, argument, count);
    }

    static int registerEvent(int fd, int event) {
        try (Arena arena = Arena.ofConfined()) {
            return register(fd, REGISTER_EVENTFD, arena.allocateFrom(JAVA_INT, event).address(), 1);
        }
    }

    static int registerFiles(int fd, int[] files) {
        try (Arena arena = Arena.ofConfined()) {
            return register(fd, REGISTER_FILES, arena.allocateFrom(JAVA_INT, files).address(), files.length);
        }
    }

    static int updateFile(int fd, int index, int file) {
        try (Arena arena = Arena.ofConfined()) {
            // struct io_uring_files_update { u32 offset; u32 resv; u64 fds; }
            MemorySegment update = arena.allocate(16, 8);
            update.set(JAVA_INT, 0, index);
            update.set(JAVA_LONG, 8, arena.allocateFrom(JAVA_INT, file).address());
            return Math.min(register(fd, REGISTER_FILES_UPDATE, update.address(), 1), 0);
        }
    }

    static int registerBuffers(int fd, long[] addresses, long[] lengths) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment iovecs = arena.allocate(16L * addresses.length, 8);
            for (int i = 0; i < addresses.length; i++) {
                iovecs.setAtIndex(JAVA_LONG, 2L * i, addresses[i]);
                iovecs.setAtIndex(JAVA_LONG, 2L * i + 1, lengths[i]);
            }
            return register(fd, REGISTER_BUFFERS, iovecs.address(), addresses.length);
        }
    }

    /** What the failure of a set-up means, with the remedy. */
    static LinuxException refused(int errno) {
        return new LinuxException("io_uring_setup", errno, remedy(-errno, disabledSetting()));
    }

    /**
     * @param errno positive
     * @param disabled the value of {@code kernel.io_uring_disabled}, or an empty string where the kernel has no such
     * setting
     */
    static String remedy(int errno, String disabled) {
        return switch (errno) {
            case Errno.EPERM, Errno.EACCES ->
                switch (disabled) {
                    case "2" -> "the kernel forbids io_uring to everyone: sysctl kernel.io_uring_disabled=0";
                    case "1" ->
                        "the kernel forbids io_uring to unprivileged users: sysctl kernel.io_uring_disabled=0, or join"
                                + " the group of kernel.io_uring_group";
                    default ->
                        "a security policy forbids it: allow io_uring_setup, io_uring_enter and io_uring_register in"
                                + " the container's seccomp profile, or in SELinux or AppArmor";
                };
            case Errno.ENOSYS ->
                "the kernel is older than 5.6 or was built without io_uring, or a seccomp profile hides it: allow"
                        + " io_uring_setup, io_uring_enter and io_uring_register";
            case Errno.EINVAL -> "the kernel is older than 5.6: update it";
            case Errno.ENOMEM -> "raise the limit of locked memory (ulimit -l)";
            case Errno.EMFILE, Errno.ENFILE -> "raise the limit of open files (ulimit -n)";
            default -> "";
        };
    }

    private static String disabledSetting() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/io_uring_disabled")).strip();
        } catch (IOException noSuchSetting) {
            return "";
        }
    }

    private static int call(long number, long first, long second, long third, long fourth) {
        try {
            return (int) Native.result((long)
                    SYSCALL.invokeExact(Native.capture(), number, first, second, third, fourth, 0L, 0L));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
