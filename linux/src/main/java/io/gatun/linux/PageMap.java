package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where the pages of this process are in physical memory. Source: {@code Documentation/admin-guide/mm/pagemap.rst},
 * proc(5).
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class PageMap implements AutoCloseable {
    private static final int PAGE_SHIFT = 12;
    private static final long PRESENT = 1L << 63;
    private static final long FRAME = (1L << 55) - 1;

    private final Fd fd;

    private PageMap(Fd fd) {
        this.fd = fd;
    }

    /** Opens this process's; throws {@link LinuxException} with the remedy. */
    public static PageMap open() {
        return new PageMap(FileIo.open("/proc/self/pagemap", FileIo.O_RDONLY, 0));
    }

    /**
     * The physical address of an address whose page is in memory; {@code -EPERM} where this process may not know it
     * (CAP_SYS_ADMIN), {@code -EFAULT} where there is no page, or another {@code -errno}.
     */
    public long physicalAddress(long address) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = arena.allocate(JAVA_LONG);
            long result = FileIo.pread(fd.value(), entry.address(), 8, (address >>> PAGE_SHIFT) * 8);
            if (result != 8) {
                return result < 0 ? result : -Errno.EFAULT;
            }
            long value = entry.get(JAVA_LONG, 0);
            if ((value & PRESENT) == 0) {
                return -Errno.EFAULT;
            }
            long frame = value & FRAME;
            return frame == 0 ? -Errno.EPERM : (frame << PAGE_SHIFT) + (address & (1 << PAGE_SHIFT) - 1);
        }
    }

    /**
     * The size of the pages that a range is mapped by: the smallest where there are several, 0 where a part of it is
     * not mapped, or {@code -errno}. Reads {@code /proc/self/smaps}, which takes milliseconds.
     */
    public static long pageBytes(long address, long lengthBytes) {
        long end = address + lengthBytes;
        long covered = address;
        long smallest = Long.MAX_VALUE;
        boolean inside = false;
        try (BufferedReader lines = Files.newBufferedReader(Path.of("/proc/self/smaps"), StandardCharsets.ISO_8859_1)) {
            String line = lines.readLine();
            for (; line != null && (covered < end || inside); line = lines.readLine()) {
                int dash = line.indexOf('-');
                if (dash > 0 && line.indexOf(':') > line.indexOf(' ')) { // "7f00-7f10 rw-p 00000000 00:00 0"
                    long start = Long.parseUnsignedLong(line, 0, dash, 16);
                    long stop = Long.parseUnsignedLong(line, dash + 1, line.indexOf(' '), 16);
                    inside = Long.compareUnsigned(start, covered) <= 0 && Long.compareUnsigned(covered, stop) < 0;
                    covered = inside ? stop : covered;
                } else if (inside && line.startsWith("KernelPageSize:")) {
                    smallest = Math.min(smallest, Long.parseLong(line.replaceAll("\\D", "")) << 10);
                    inside = false;
                }
            }
        } catch (IOException noProc) {
            return -Errno.ENOENT;
        }
        return covered < end ? 0 : smallest;
    }

    @Override
    public void close() {
        fd.close();
    }
}
