package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/**
 * Owns one memory mapping and unmaps it once.
 *
 * <p>While it is open its range is known to {@link Memory}'s checked mode. Source: mmap(2).
 *
 * <p><b>Thread-safety:</b> {@link #close} may be called from any thread; the caller has made sure that no thread still
 * uses the range (see the reactor's quiescence).
 */
public final class Mapping implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 0x01;
    private static final int MAP_PRIVATE = 0x02;
    private static final int MAP_FIXED = 0x10;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MAP_HUGETLB = 0x40000;

    /** The default size of a hugepage. */
    private static final long HUGE_PAGE_BYTES = defaultHugePageBytes();

    private static final MethodHandle MMAP = Native.bind(
            "mmap", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP =
            Native.bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));

    private final long address;
    private final long lengthBytes;
    private final long mappedBytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    private Mapping(long address, long lengthBytes, long mappedBytes) {
        this.address = address;
        this.lengthBytes = lengthBytes;
        this.mappedBytes = mappedBytes;
        LiveMappings.add(address, lengthBytes);
    }

    /** Private zeroed memory that is populated on first touch; throws {@link LinuxException} with the remedy. */
    public static Mapping anonymous(long lengthBytes) {
        return map("anonymous memory", lengthBytes, lengthBytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }

    /** Private zeroed memory on hugepages of the default size. */
    public static Mapping anonymousHuge(long lengthBytes) {
        long mappedBytes = roundUp(lengthBytes, HUGE_PAGE_BYTES);
        return map("anonymous hugepages", lengthBytes, mappedBytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    }

    /** Shares {@code lengthBytes} of a file, from {@code offsetBytes} (page-aligned), for reading and writing. */
    public static Mapping shared(Fd file, long offsetBytes, long lengthBytes) {
        // On hugepages the kernel unmaps whole pages only, and the page is what the file calls its block.
        long mappedBytes = roundUp(lengthBytes, FileStatus.known(file).blockSizeBytes());
        return map("shared " + file, lengthBytes, mappedBytes, MAP_SHARED | MAP_NORESERVE, file.value(), offsetBytes);
    }

    /**
     * Puts the pages of another file in place of this mapping's, at once for every thread: whoever still uses the
     * addresses sees the other file from then on, and what was mapped is let go. Throws {@link LinuxException}.
     *
     * @param file at least as long as this mapping
     */
    public void replace(Fd file) {
        long result;
        try {
            result = Native.result((long) MMAP.invokeExact(
                    Native.capture(),
                    address,
                    mappedBytes,
                    PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED,
                    file.value(),
                    0L));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("mmap " + mappedBytes + " bytes of " + file + " in place", (int) result, "");
        }
    }

    public long address() {
        return address;
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            LiveMappings.remove(address);
            try {
                int ignored = (int) MUNMAP.invokeExact(Native.capture(), address, mappedBytes);
            } catch (Throwable t) {
                throw Native.unreachable(t);
            }
        }
    }

    /** How many mappings of this process are open: what leak tests count. */
    public static int openCount() {
        return LiveMappings.count();
    }

    private static Mapping map(
            String what, long lengthBytes, long mappedBytes, int flags, int fd, long offsetBytes) {
        long result;
        try {
            result = Native.result((long) MMAP.invokeExact(
                    Native.capture(), 0L, mappedBytes, PROT_READ | PROT_WRITE, flags, fd, offsetBytes));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            String remedy = (flags & MAP_HUGETLB) != 0 ? "reserve hugepages in /proc/sys/vm/nr_hugepages" : "";
            throw new LinuxException("mmap " + lengthBytes + " bytes of " + what, (int) result, remedy);
        }
        return new Mapping(result, lengthBytes, mappedBytes);
    }

    private static long roundUp(long bytes, long unit) {
        return (bytes + unit - 1) / unit * unit;
    }

    private static long defaultHugePageBytes() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
            return lines.filter(line -> line.startsWith("Hugepagesize:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                    .findFirst()
                    .orElse(2 << 20);
        } catch (IOException noProc) {
            return 2 << 20;
        }
    }
}
