package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Files by descriptor, memory by address. Source: open(2), pread(2), fdatasync(2), fallocate(2), fcntl(2).
 *
 * <p>All but {@link #open} return a value or {@code -errno}. Reads and writes may be short; see the {@code Fully}
 * forms.
 *
 * <p><b>Thread-safety:</b> stateless; offsets are explicit, so one descriptor may serve many threads.
 */
public final class FileIo {
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    /** Bypasses the page cache; addresses, offsets and lengths must be aligned. Its number depends on the machine. */
    public static final int O_DIRECT = System.getProperty("os.arch").equals("aarch64") ? 0x10000 : 0x4000;

    private static final int O_CLOEXEC = 0x80000;

    /** fallocate mode: the length of the file stays. */
    public static final int FALLOC_FL_KEEP_SIZE = 1;
    /** fallocate mode: frees the range, which then reads as zeros; needs {@link #FALLOC_FL_KEEP_SIZE}. */
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    /** fallocate mode: the range reads as zeros and stays allocated where the file system can. */
    public static final int FALLOC_FL_ZERO_RANGE = 16;

    private static final int F_OFD_SETLK = 37;
    private static final short F_RDLCK = 0;
    private static final short F_WRLCK = 1;
    private static final int FLOCK_SIZE = 32;

    private static final MethodHandle OPEN =
            Native.bindVariadic("open", 2, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT));
    private static final MethodHandle PREAD =
            Native.bind("pread", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle PWRITE =
            Native.bind("pwrite", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle READ =
            Native.bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle WRITE =
            Native.bind("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle FDATASYNC = Native.bind("fdatasync", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle FTRUNCATE =
            Native.bind("ftruncate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle FALLOCATE =
            Native.bind("fallocate", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));

    private static final MethodHandle FSTATFS =
            Native.bind("fstatfs", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));

    /** {@code struct statfs}: its size is below this on every machine, and {@code f_type} is its first word. */
    private static final int STATFS_SIZE = 256;

    private static final long TMPFS_MAGIC = 0x01021994;
    private static final long RAMFS_MAGIC = 0x858458f6L;

    private FileIo() {}

    /**
     * Whether a file lies in memory (tmpfs, ramfs), so that reading and writing it never waits for a medium.
     * False where the kernel cannot say. Source: statfs(2).
     */
    public static boolean isInMemory(Fd fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(STATFS_SIZE, 8);
            if ((int) FSTATFS.invokeExact(Native.capture(), fd.value(), status.address()) != 0) {
                return false;
            }
            long type = status.get(JAVA_INT, 0) & 0xffff_ffffL;
            return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Opens a file, closed on exec; throws {@link LinuxException} with the remedy.
     *
     * @param mode permissions of a file that is made by it, before the umask
     */
    public static Fd open(String path, int flags, int mode) {
        int result;
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocateFrom(path).address();
            do {
                result = Native.result((int) OPEN.invokeExact(Native.capture(), address, flags | O_CLOEXEC, mode));
            } while (result == -Errno.EINTR);
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("open " + path, result, openRemedy(result, flags));
        }
        return Fd.owning(result);
    }

    /**
     * Reads up to {@code length} bytes from where the file, pipe or device stands; returns the count or {@code -errno}.
     */
    public static long read(int fd, long address, long length) {
        try {
            return Native.result((long) READ.invokeExact(Native.capture(), fd, address, length));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Writes up to {@code length} bytes to where the file, pipe or device stands; returns the count or {@code -errno}.
     */
    public static long write(int fd, long address, long length) {
        try {
            return Native.result((long) WRITE.invokeExact(Native.capture(), fd, address, length));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Reads up to {@code length} bytes at {@code offset}; returns the count, 0 at the end of the file, or {@code
     * -errno}.
     */
    public static long pread(int fd, long address, long length, long offset) {
        try {
            return Native.result((long) PREAD.invokeExact(Native.capture(), fd, address, length, offset));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Writes up to {@code length} bytes at {@code offset}; returns the count or {@code -errno}. */
    public static long pwrite(int fd, long address, long length, long offset) {
        try {
            return Native.result((long) PWRITE.invokeExact(Native.capture(), fd, address, length, offset));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Reads until {@code length} bytes or the end of the file; returns the count or {@code -errno}. */
    public static long preadFully(int fd, long address, long length, long offset) {
        long done = 0;
        while (done < length) {
            long result = pread(fd, address + done, length - done, offset + done);
            if (result == 0) {
                return done;
            }
            if (result < 0 && result != -Errno.EINTR) {
                return result;
            }
            done += Math.max(result, 0);
        }
        return done;
    }

    /** Writes all {@code length} bytes; returns the count or {@code -errno}. */
    public static long pwriteFully(int fd, long address, long length, long offset) {
        long done = 0;
        while (done < length) {
            long result = pwrite(fd, address + done, length - done, offset + done);
            if (result < 0 && result != -Errno.EINTR) {
                return result;
            }
            done += Math.max(result, 0);
        }
        return done;
    }

    /** Makes what was written durable; returns 0 or {@code -errno}. */
    public static int fdatasync(int fd) {
        try {
            return Native.result((int) FDATASYNC.invokeExact(Native.capture(), fd));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Sets the length of the file; returns 0 or {@code -errno}. */
    public static int ftruncate(int fd, long lengthBytes) {
        try {
            return Native.result((int) FTRUNCATE.invokeExact(Native.capture(), fd, lengthBytes));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Allocates, frees or zeroes a range.
     *
     * @param mode 0 to allocate, or the {@code FALLOC_FL} constants
     * @return 0 or {@code -errno} ({@code -EOPNOTSUPP} where the file system cannot)
     */
    public static int fallocate(int fd, int mode, long offset, long length) {
        try {
            return Native.result((int) FALLOCATE.invokeExact(Native.capture(), fd, mode, offset, length));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Locks the whole file for this open file, until its last descriptor closes: a second opener that asks, in this or
     * any other process, is refused. QEMU locks its images by the same kind of lock.
     *
     * @param shared whether other shared locks may coexist; the only kind that a descriptor opened for reading can take
     * @return 0, {@code -EAGAIN} where someone else holds a conflicting lock, or {@code -errno}
     */
    public static int lock(int fd, boolean shared) {
        try (Arena arena = Arena.ofConfined()) {
            // struct flock: l_type, l_whence, l_start, l_len, l_pid; all zeros is "from the start, to the end, however
            // long".
            MemorySegment lock = arena.allocate(FLOCK_SIZE, 8);
            lock.set(JAVA_SHORT, 0, shared ? F_RDLCK : F_WRLCK);
            int result = Fd.control(fd, F_OFD_SETLK, lock.address());
            return result == -Errno.EACCES ? -Errno.EAGAIN : result;
        }
    }

    private static String openRemedy(int errno, int flags) {
        return switch (-errno) {
            case Errno.EINVAL -> (flags & O_DIRECT) != 0 ? "its file system does not support O_DIRECT" : "";
            case Errno.ENOENT -> "check the path";
            case Errno.EACCES, Errno.EPERM -> "check the permissions of the file and of its directories";
            case Errno.EROFS -> "open it read-only";
            case Errno.EMFILE, Errno.ENFILE -> "raise the limit of open files (ulimit -n)";
            default -> "";
        };
    }
}
