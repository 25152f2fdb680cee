package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * A file that is memory: made to be mapped here and passed to a peer that maps it too. Source: memfd_create(2),
 * fcntl(2).
 *
 * <p>A file sealed with {@link #SEAL_SHRINK} cannot be truncated under whoever maps it; without the seal a touch of the
 * lost part is a fault (see {@link Memory}).
 *
 * <p><b>Thread-safety:</b> as safe as the descriptor: calls may come from any thread, {@link #close} last.
 */
public final class MemoryFile implements AutoCloseable {
    /** No seal may be added any more. */
    public static final int SEAL_SEAL = 1;
    /** The file cannot shrink. */
    public static final int SEAL_SHRINK = 2;
    /** The file cannot grow. */
    public static final int SEAL_GROW = 4;

    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int MFD_HUGETLB = 4;
    /** Where the binary logarithm of the page's size is. */
    private static final int MFD_HUGE_SHIFT = 26;

    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;

    private static final MethodHandle MEMFD_CREATE =
            Native.bind("memfd_create", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT));

    private final Fd fd;

    private MemoryFile(Fd fd) {
        this.fd = fd;
    }

    /**
     * Makes an anonymous file of zeros on ordinary pages, populated on first touch.
     *
     * @param name what {@code /proc/PID/maps} shows
     */
    public static MemoryFile create(String name, long lengthBytes) {
        MemoryFile file = create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING, "");
        file.setLengthOrClose(name, lengthBytes);
        return file;
    }

    /**
     * Makes an anonymous file on hugepages of the default size, and takes all of them now, so that a shortage is an
     * exception here and not a fault later.
     *
     * @param lengthBytes a multiple of the hugepage size
     */
    public static MemoryFile createHuge(String name, long lengthBytes) {
        return createHuge(name, lengthBytes, 0, "reserve hugepages in /proc/sys/vm/nr_hugepages");
    }

    /**
     * As {@link #createHuge(String, long)}, on pages of a size.
     *
     * @param pageBytes a size of hugepages that the machine has: 2 MiB or 1 GiB on x86-64
     */
    public static MemoryFile createHuge(String name, long lengthBytes, long pageBytes) {
        String remedy = "reserve hugepages in /sys/kernel/mm/hugepages/hugepages-" + (pageBytes >> 10)
                + "kB/nr_hugepages";
        return createHuge(name, lengthBytes, Long.numberOfTrailingZeros(pageBytes) << MFD_HUGE_SHIFT, remedy);
    }

    private static MemoryFile createHuge(String name, long lengthBytes, int pageSize, String remedy) {
        MemoryFile file = create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | pageSize, remedy);
        file.setLengthOrClose(name, lengthBytes);
        int result = FileIo.fallocate(file.fd.value(), 0, 0, lengthBytes);
        if (result < 0) {
            file.close();
            throw new LinuxException("allocate " + lengthBytes + " bytes of hugepages for " + name, result, remedy);
        }
        return file;
    }

    /** Opens a file of hugetlbfs, {@code /dev/shm} or any file system, for sharing by mappings; it must exist. */
    public static MemoryFile open(String path) {
        return new MemoryFile(FileIo.open(path, FileIo.O_RDWR, 0));
    }

    /** Makes or resizes such a file; a hugetlbfs one takes a multiple of the hugepage size. */
    public static MemoryFile open(String path, long lengthBytes) {
        MemoryFile file = new MemoryFile(FileIo.open(path, FileIo.O_RDWR | FileIo.O_CREAT, 0600));
        file.setLengthOrClose(path, lengthBytes);
        return file;
    }

    /** Takes ownership of a file that a peer sent. */
    public static MemoryFile owning(Fd fd) {
        return new MemoryFile(fd);
    }

    public Fd fd() {
        return fd;
    }

    /** The length of the file now, in bytes, or {@code -errno}. */
    public long lengthBytes() {
        return FileStatus.lengthBytes(fd.value());
    }

    /** Grows or shrinks the file; returns 0 or {@code -errno} ({@code -EPERM} where a seal forbids it). */
    public int setLength(long lengthBytes) {
        return FileIo.ftruncate(fd.value(), lengthBytes);
    }

    /** Adds seals; returns 0 or {@code -errno}. */
    public int addSeals(int seals) {
        return Fd.control(fd.value(), F_ADD_SEALS, seals);
    }

    /** The seals of the file, or {@code -errno} ({@code -EINVAL} where its file system has none). */
    public int seals() {
        return Fd.control(fd.value(), F_GET_SEALS, 0);
    }

    /** Maps the whole file, shared. */
    public Mapping map() {
        long length = lengthBytes();
        if (length < 0) {
            throw new LinuxException("status of " + this, (int) length, "");
        }
        return Mapping.shared(fd, 0, length);
    }

    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return "memory file " + fd.value();
    }

    private static MemoryFile create(String name, int flags, String remedy) {
        int result;
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocateFrom(name).address();
            result = Native.result((int) MEMFD_CREATE.invokeExact(Native.capture(), address, flags));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("memfd_create " + name, result, remedy);
        }
        return new MemoryFile(Fd.owning(result));
    }

    private void setLengthOrClose(String name, long lengthBytes) {
        int result = setLength(lengthBytes);
        if (result < 0) {
            close();
            throw new LinuxException("set the length of " + name + " to " + lengthBytes + " bytes", result, "");
        }
    }
}
