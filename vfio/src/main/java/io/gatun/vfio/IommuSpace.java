package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.MemoryLock;
import io.gatun.linux.VfioIommu.IovaRange;
import java.util.List;

/**
 * The memory that devices reach through their IOMMU: hugepages where there are some, else ordinary pages, which the
 * kernel pins.
 */
final class IommuSpace extends DmaSpace {
    private final Iommu iommu;
    private final IovaAllocator addresses;

    /** What the kernel does for it; each returns 0 or {@code -errno}, but {@link #ranges} throws. */
    interface Iommu {
        /** What devices may use now. */
        List<IovaRange> ranges();

        int map(long address, long iova, long lengthBytes);

        int unmap(long iova, long lengthBytes);
    }

    IommuSpace(Iommu iommu) {
        this.iommu = iommu;
        addresses = new IovaAllocator(iommu.ranges());
    }

    /** Another device has come, which may have fewer addresses. */
    void restrict() {
        exclusively(() -> addresses.restrict(iommu.ranges()));
    }

    /** Maps everything again, where it was: VFIO forgets it with the last device that is unplugged. */
    void restore() {
        forEachRegion(region -> {
            int result = iommu.map(region.address(), region.deviceAddress(), region.lengthBytes());
            if (result < 0) {
                throw new LinuxException("map again " + region, result, remedy(-result, region.lengthBytes()));
            }
        });
    }

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        return DmaMemory.hugeOrOrdinary(this, lengthBytes);
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        String what = String.format("map 0x%x bytes for DMA", lengthBytes);
        long iova = addresses.take(address, lengthBytes);
        if (iova == IovaAllocator.NONE) {
            throw new LinuxException(
                    what, Errno.ENOSPC, "the IOMMU has no range of addresses that long; map less memory");
        }
        int result = iommu.map(address, iova, lengthBytes);
        if (result < 0) {
            addresses.give(iova, lengthBytes);
            throw new LinuxException(what, result, remedy(-result, lengthBytes));
        }
        return DmaRegion.linear(address, lengthBytes, iova);
    }

    @Override
    protected void detach(DmaRegion region) {
        // What the kernel did not unmap is not given to anyone else.
        if (iommu.unmap(region.deviceAddress(), region.lengthBytes()) == 0) {
            addresses.give(region.deviceAddress(), region.lengthBytes());
        }
    }

    private static String remedy(int errno, long lengthBytes) {
        return switch (errno) {
            case Errno.ENOMEM -> MemoryLock.remedy(lengthBytes);
            case Errno.ENOSPC ->
                "the container has as many mappings as it may; raise"
                        + " /sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
            case Errno.EFAULT -> "its file is shorter than the mapping, or it is not writable";
            default -> "";
        };
    }

    @Override
    public String toString() {
        return "memory behind an IOMMU";
    }
}
