package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * What a block device says of itself, and what only a block device can do. Source: {@code linux/fs.h}, ioctl(2).
 *
 * <p>Each method returns a value or {@code -errno}; {@code -ENOTTY} where the descriptor is not a block device.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class BlockDevice {
    private static final long BLKROGET = 0x125e;
    private static final long BLKSSZGET = 0x1268;
    private static final long BLKDISCARD = 0x1277;
    private static final long BLKPBSZGET = 0x127b;
    private static final long BLKZEROOUT = 0x127f;
    private static final long BLKGETSIZE64 = 0x80081272L;

    private static final MethodHandle IOCTL =
            Native.bindVariadic("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));

    private BlockDevice() {}

    public static long lengthBytes(int fd) {
        return query(fd, BLKGETSIZE64);
    }

    /** The unit of addressing: offsets and lengths of direct I/O are multiples of it. */
    public static int logicalBlockSizeBytes(int fd) {
        return (int) query(fd, BLKSSZGET);
    }

    /** The unit that the medium writes without reading first. */
    public static int physicalBlockSizeBytes(int fd) {
        return (int) query(fd, BLKPBSZGET);
    }

    /** 1 if the device refuses writes, 0 if not. */
    public static int isReadOnly(int fd) {
        return (int) query(fd, BLKROGET);
    }

    /** Tells the device that a range is not needed; what it reads as afterwards is undefined. */
    public static int discard(int fd, long offset, long length) {
        return range(fd, BLKDISCARD, offset, length);
    }

    /** Makes a range read as zeros. */
    public static int zeroOut(int fd, long offset, long length) {
        return range(fd, BLKZEROOUT, offset, length);
    }

    private static long query(int fd, long request) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = arena.allocate(JAVA_LONG);
            int result = ioctl(fd, request, answer.address());
            return result < 0 ? result : answer.get(JAVA_LONG, 0);
        }
    }

    private static int range(int fd, long request, long offset, long length) {
        try (Arena arena = Arena.ofConfined()) {
            return ioctl(fd, request, arena.allocateFrom(JAVA_LONG, offset, length).address());
        }
    }

    private static int ioctl(int fd, long request, long argument) {
        try {
            return Native.result((int) IOCTL.invokeExact(Native.capture(), fd, request, argument));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
