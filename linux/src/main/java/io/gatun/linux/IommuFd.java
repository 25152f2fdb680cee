package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.gatun.linux.VfioIommu.IovaRange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * An I/O address space of {@code /dev/iommu}, and the devices of {@code /dev/vfio/devices} in it: what takes the place
 * of VFIO's containers and groups. Source: {@code linux/iommufd.h}, {@code linux/vfio.h} (Linux 6.6 and later).
 *
 * <p>Each method returns a value or {@code -errno}; {@link #ranges} throws. For set-up and tear-down: they allocate.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class IommuFd {
    private static final long IOAS_ALLOC = 0x3b81;
    private static final long IOAS_IOVA_RANGES = 0x3b84;
    private static final long IOAS_MAP = 0x3b85;
    private static final long IOAS_UNMAP = 0x3b86;
    private static final long DEVICE_BIND = 0x3b76;
    private static final long DEVICE_ATTACH = 0x3b77;

    private static final int MAP_FIXED_READ_WRITE = 7;
    private static final int RANGE_SIZE = 16;

    /** More than any machine has; the kernel says {@code EMSGSIZE} to less than it needs. */
    private static final int MAX_RANGES = 256;

    private IommuFd() {}

    /** Makes an address space; returns its identity. */
    public static int allocateSpace(int iommu) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment alloc = arena.allocate(12, 8);
            alloc.set(JAVA_INT, 0, 12);
            int result = Ioctl.call(iommu, IOAS_ALLOC, alloc.address());
            return result < 0 ? result : alloc.get(JAVA_INT, 8);
        }
    }

    /** What the devices that are attached now may use, by address; throws {@link LinuxException}. */
    public static List<IovaRange> ranges(int iommu, int space) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment found = arena.allocate((long) MAX_RANGES * RANGE_SIZE, 8);
            MemorySegment query = arena.allocate(32, 8);
            query.set(JAVA_INT, 0, 32);
            query.set(JAVA_INT, 4, space);
            query.set(JAVA_INT, 8, MAX_RANGES);
            query.set(JAVA_LONG, 16, found.address());
            int result = Ioctl.call(iommu, IOAS_IOVA_RANGES, query.address());
            if (result < 0) {
                throw new LinuxException("IOMMU_IOAS_IOVA_RANGES", result, "");
            }
            List<IovaRange> ranges = new ArrayList<>();
            int count = Math.min(Math.max(query.get(JAVA_INT, 8), 0), MAX_RANGES);
            for (int i = 0; i < count; i++) {
                long at = (long) i * RANGE_SIZE;
                ranges.add(new IovaRange(found.get(JAVA_LONG, at), found.get(JAVA_LONG, at + 8)));
            }
            return ranges;
        }
    }

    /** Lets devices read and write {@code lengthBytes} at {@code address} under the address {@code iova}. */
    public static int map(int iommu, int space, long address, long iova, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment map = arena.allocate(40, 8);
            map.set(JAVA_INT, 0, 40);
            map.set(JAVA_INT, 4, MAP_FIXED_READ_WRITE);
            map.set(JAVA_INT, 8, space);
            map.set(JAVA_LONG, 16, address);
            map.set(JAVA_LONG, 24, lengthBytes);
            map.set(JAVA_LONG, 32, iova);
            return Ioctl.call(iommu, IOAS_MAP, map.address());
        }
    }

    /** Undoes one {@link #map}. */
    public static int unmap(int iommu, int space, long iova, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment unmap = arena.allocate(24, 8);
            unmap.set(JAVA_INT, 0, 24);
            unmap.set(JAVA_INT, 4, space);
            unmap.set(JAVA_LONG, 8, iova);
            unmap.set(JAVA_LONG, 16, lengthBytes);
            return Ioctl.call(iommu, IOAS_UNMAP, unmap.address());
        }
    }

    /** Opens a device, of {@code /dev/vfio/devices}, for an IOMMU: before this it answers nothing. */
    public static int bind(int device, int iommu) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bind = arena.allocate(16, 8);
            bind.set(JAVA_INT, 0, 16);
            bind.set(JAVA_INT, 8, iommu);
            return Ioctl.call(device, DEVICE_BIND, bind.address());
        }
    }

    /** Has a device that is bound see an address space, until it is closed. */
    public static int attach(int device, int space) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attach = arena.allocate(12, 4);
            attach.set(JAVA_INT, 0, 12);
            attach.set(JAVA_INT, 8, space);
            return Ioctl.call(device, DEVICE_ATTACH, attach.address());
        }
    }
}
