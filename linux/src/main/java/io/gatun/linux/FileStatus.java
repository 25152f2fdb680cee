package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * What a descriptor refers to. Source: statx(2), whose layout, unlike that of fstat(2), is the same on every machine.
 *
 * @param mode type and permission bits, {@code st_mode}
 * @param lengthBytes the length of a regular file; 0 for a block device (see {@link BlockDevice})
 * @param allocatedBytes what the file occupies on its medium
 * @param blockSizeBytes the preferred unit of I/O
 * @param directAlignmentBytes what offsets and lengths of {@code O_DIRECT} must be multiples of; 0 where the kernel
 * cannot say or
 *     the file does not support it
 * @param inode the file's number in its file system
 */
public record FileStatus(
        int mode, long lengthBytes, long allocatedBytes, int blockSizeBytes, int directAlignmentBytes, long inode) {
    private static final int TYPE = 0xf000;
    private static final int REGULAR = 0x8000;
    private static final int BLOCK_DEVICE = 0x6000;
    private static final int CHARACTER_DEVICE = 0x2000;

    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int STATX_DIOALIGN = 0x2000;

    private static final int STATX_SIZE = 256;
    private static final int MASK = 0;
    private static final int BLKSIZE = 4;
    private static final int MODE = 28;
    private static final int INO = 32;
    private static final int SIZE = 40;
    private static final int BLOCKS = 48;
    private static final int DIO_OFFSET_ALIGN = 156;

    private static final MethodHandle STATX = Native.bind(
            "statx", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final long EMPTY_PATH = Arena.global().allocateFrom("").address();

    /** Asks the kernel; throws {@link LinuxException}. */
    public static FileStatus of(Fd fd) {
        return of(fd, 0);
    }

    /**
     * What the kernel knows already, for files that a peer sends: it asks nobody, neither a server in the network nor a
     * FUSE daemon that could take its time. Throws {@link LinuxException}.
     */
    public static FileStatus known(Fd fd) {
        return of(fd, AT_STATX_DONT_SYNC);
    }

    private static FileStatus of(Fd fd, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(STATX_SIZE, 8);
            int result = statx(fd.value(), flags, status);
            if (result < 0) {
                throw new LinuxException("status of " + fd, result, "");
            }
            boolean knowsDirect = (status.get(JAVA_INT, MASK) & STATX_DIOALIGN) != 0;
            return new FileStatus(
                    status.get(JAVA_SHORT, MODE) & 0xffff,
                    status.get(JAVA_LONG, SIZE),
                    status.get(JAVA_LONG, BLOCKS) * 512,
                    status.get(JAVA_INT, BLKSIZE),
                    knowsDirect ? status.get(JAVA_INT, DIO_OFFSET_ALIGN) : 0,
                    status.get(JAVA_LONG, INO));
        }
    }

    /** The length of a file now, in bytes, or {@code -errno}. */
    public static long lengthBytes(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(STATX_SIZE, 8);
            int result = statx(fd, 0, status);
            return result < 0 ? result : status.get(JAVA_LONG, SIZE);
        }
    }

    public boolean isRegular() {
        return (mode & TYPE) == REGULAR;
    }

    public boolean isBlockDevice() {
        return (mode & TYPE) == BLOCK_DEVICE;
    }

    public boolean isCharacterDevice() {
        return (mode & TYPE) == CHARACTER_DEVICE;
    }

    private static int statx(int fd, int flags, MemorySegment status) {
        try {
            return Native.result((int) STATX.invokeExact(
                    Native.capture(),
                    fd,
                    EMPTY_PATH,
                    AT_EMPTY_PATH | flags,
                    STATX_BASIC_STATS | STATX_DIOALIGN,
                    status.address()));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
