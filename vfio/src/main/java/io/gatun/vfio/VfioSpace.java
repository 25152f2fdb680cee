package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.MemoryLock;
import io.gatun.linux.VfioIommu;

/**
 * The memory that the devices of a VFIO container reach through their IOMMU (type 1 v2): hugepages where there are
 * some, else ordinary pages, which the kernel pins.
 */
final class VfioSpace extends DmaSpace {
    private final Fd container;
    private final IovaAllocator addresses;

    VfioSpace(Fd container) {
        this.container = container;
        addresses = new IovaAllocator(VfioIommu.info(container.value()).ranges());
    }

    /** Maps everything again, where it was: the kernel forgets it with the last device that is unplugged. */
    void restore() {
        forEachRegion(region -> {
            int result = VfioIommu.map(
                    container.value(), region.address(), region.deviceAddress(), region.lengthBytes());
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
        int result = VfioIommu.map(container.value(), address, iova, lengthBytes);
        if (result < 0) {
            addresses.give(iova, lengthBytes);
            throw new LinuxException(what, result, remedy(-result, lengthBytes));
        }
        return DmaRegion.linear(address, lengthBytes, iova);
    }

    @Override
    protected void detach(DmaRegion region) {
        int result = VfioIommu.unmap(container.value(), region.deviceAddress(), region.lengthBytes());
        // What the kernel did not unmap is not given to anyone else.
        if (result == 0) {
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
        return "memory behind the IOMMU of a VFIO container";
    }
}
