package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The IOMMU of a VFIO container, type 1 v2: which addresses devices may use, and what is behind them. Source: {@code
 * linux/vfio.h}.
 *
 * <p>{@link #map} and {@link #unmap} return 0 or {@code -errno}; {@link #info} throws. For set-up and tear-down: they
 * allocate.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class VfioIommu {
    private static final long GET_INFO = 0x3b70;
    private static final long MAP_DMA = 0x3b71;
    private static final long UNMAP_DMA = 0x3b72;

    private static final int INFO_PGSIZES = 1;
    private static final int INFO_CAPS = 2;
    private static final int CAP_IOVA_RANGE = 1;
    private static final int CAP_DMA_AVAIL = 3;
    private static final int MAP_READ_WRITE = 3;

    /** {@code struct vfio_iommu_type1_info} without capabilities. */
    private static final int INFO_SIZE = 24;

    /** The kernel's table of ranges is far smaller. */
    private static final int MAX_INFO_SIZE = 1 << 20;

    private VfioIommu() {}

    /** A range of addresses that devices may use, both ends included. */
    public record IovaRange(long first, long last) {}

    /**
     * What a container's IOMMU can do.
     *
     * @param pageSizes a bit for each size of page
     * @param ranges what devices may use, by address
     * @param mappingsAvailable how many ranges can still be mapped, or -1 where the kernel does not say
     */
    public record IommuInfo(long pageSizes, List<IovaRange> ranges, int mappingsAvailable) {}

    /** Asks; a kernel that names no ranges (before 5.4) is taken to have the lower 4 GiB. */
    public static IommuInfo info(int container) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(INFO_SIZE, 8);
            info.set(JAVA_INT, 0, INFO_SIZE);
            int result = Ioctl.call(container, GET_INFO, info.address());
            int size = info.get(JAVA_INT, 0);
            if (result == 0 && size > INFO_SIZE && size <= MAX_INFO_SIZE) {
                info = arena.allocate(size, 8);
                info.set(JAVA_INT, 0, size);
                result = Ioctl.call(container, GET_INFO, info.address());
            }
            if (result < 0) {
                throw new LinuxException("VFIO_IOMMU_GET_INFO", result, "");
            }
            return parse(info);
        }
    }

    /** Lets devices read and write {@code lengthBytes} at {@code address} under the address {@code iova}. */
    public static int map(int container, long address, long iova, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment map = arena.allocate(32, 8);
            map.set(JAVA_INT, 0, 32);
            map.set(JAVA_INT, 4, MAP_READ_WRITE);
            map.set(JAVA_LONG, 8, address);
            map.set(JAVA_LONG, 16, iova);
            map.set(JAVA_LONG, 24, lengthBytes);
            return Ioctl.call(container, MAP_DMA, map.address());
        }
    }

    /** Undoes one {@link #map}. */
    public static int unmap(int container, long iova, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment unmap = arena.allocate(24, 8);
            unmap.set(JAVA_INT, 0, 24);
            unmap.set(JAVA_LONG, 8, iova);
            unmap.set(JAVA_LONG, 16, lengthBytes);
            return Ioctl.call(container, UNMAP_DMA, unmap.address());
        }
    }

    /** Walks the capabilities: each is an identity, a version, the offset of the next, and what it says. */
    static IommuInfo parse(MemorySegment info) {
        int flags = info.get(JAVA_INT_UNALIGNED, 4);
        long pageSizes = (flags & INFO_PGSIZES) != 0 ? info.get(JAVA_LONG_UNALIGNED, 8) : 4096;
        List<IovaRange> ranges = new ArrayList<>();
        int available = -1;
        long at = (flags & INFO_CAPS) != 0 ? info.get(JAVA_INT_UNALIGNED, 16) & 0xffff_ffffL : 0;
        while (at >= INFO_SIZE - 4 && at + 12 <= info.byteSize()) {
            int id = info.get(JAVA_SHORT_UNALIGNED, at) & 0xffff;
            if (id == CAP_IOVA_RANGE) {
                long room = (info.byteSize() - at - 16) / 16;
                long count = Math.min(info.get(JAVA_INT_UNALIGNED, at + 8) & 0xffff_ffffL, room);
                for (long i = 0; i < count; i++) {
                    long range = at + 16 + 16 * i;
                    ranges.add(new IovaRange(
                            info.get(JAVA_LONG_UNALIGNED, range), info.get(JAVA_LONG_UNALIGNED, range + 8)));
                }
            } else if (id == CAP_DMA_AVAIL) {
                available = info.get(JAVA_INT_UNALIGNED, at + 8);
            }
            long next = info.get(JAVA_INT_UNALIGNED, at + 4) & 0xffff_ffffL;
            at = next > at ? next : 0;
        }
        if (ranges.isEmpty()) {
            ranges.add(new IovaRange(0, 0xffff_ffffL));
        }
        return new IommuInfo(pageSizes, List.copyOf(ranges), available);
    }
}
