package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.MemoryLock;
import io.gatun.linux.PageMap;

/**
 * Memory as a device without an IOMMU sees it: by physical addresses, all of it, whatever is mapped here.
 *
 * <p>Only hugepages are taken, our own and guests': the kernel moves ordinary pages about, even locked ones, and a
 * device would go on writing to where they were.
 *
 * <p><b>Thread-safety:</b> as {@link DmaSpace}.
 */
public final class PhysicalSpace extends DmaSpace {
    private static final long SMALLEST_PAGE_BYTES = 2L << 20;

    private final PageMap pages = PageMap.open();

    /** Reaches nothing yet; throws {@link LinuxException} without {@code /proc}. */
    public PhysicalSpace() {}

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        return DmaMemory.huge(this, lengthBytes);
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        String what = String.format("look up 0x%x bytes in physical memory", lengthBytes);
        long pageBytes = PageMap.pageBytes(address, lengthBytes);
        if (pageBytes < SMALLEST_PAGE_BYTES) {
            throw new LinuxException(
                    what,
                    pageBytes < 0 ? (int) pageBytes : Errno.EINVAL,
                    "without an IOMMU only hugepages stay where they are: back the guest's memory with them"
                            + " (QEMU: memory-backend-memfd,hugetlb=on), or use vfio-pci");
        }
        int locked = MemoryLock.lock(address, lengthBytes); // and brings every page into memory
        if (locked < 0) {
            throw new LinuxException(what, locked, locked == -Errno.ENOMEM ? MemoryLock.remedy(lengthBytes) : "");
        }
        int shift = Long.numberOfTrailingZeros(pageBytes);
        long first = address & -pageBytes;
        long[] addresses = new long[(int) ((address + lengthBytes - first + pageBytes - 1) >>> shift)];
        for (int i = 0; i < addresses.length; i++) {
            long inside = Math.max(first + ((long) i << shift), address);
            long physical = pages.physicalAddress(inside);
            if (physical < 0) {
                throw new LinuxException(what, (int) physical, remedy((int) -physical));
            }
            addresses[i] = physical - (inside - first - ((long) i << shift));
        }
        return DmaRegion.paged(address, lengthBytes, shift, addresses);
    }

    @Override
    protected void detach(DmaRegion region) {
        int ignored = MemoryLock.unlock(region.address(), region.lengthBytes());
    }

    @Override
    protected void release() {
        pages.close();
    }

    private static String remedy(int errno) {
        return switch (errno) {
            case Errno.EPERM, Errno.EACCES ->
                "physical addresses are told to CAP_SYS_ADMIN only: run as root, or use vfio-pci";
            case Errno.EFAULT -> "the memory's file is shorter than its mapping";
            default -> "";
        };
    }

    @Override
    public String toString() {
        return "physical memory";
    }
}
