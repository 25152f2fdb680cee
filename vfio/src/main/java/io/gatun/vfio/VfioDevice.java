package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.VfioCalls;
import io.gatun.linux.VfioVector;
import java.util.Arrays;
import java.util.List;

/**
 * A PCI function with the kernel's {@code vfio-pci}: from a {@link VfioContainer}.
 *
 * <p>The kernel resets the function when it is opened and when it is closed, where it can, whoever dies in between.
 */
public final class VfioDevice extends PciDevice {
    private final Fd fd;
    private final DmaSpace memory;
    private final Runnable closed;
    private final VfioCalls.DeviceInfo info;
    private final ConfigSpace config;
    private final EventFd wantedBack;
    private final int vectorCount;

    /** Replaced as a whole: who switches one may be late. */
    private volatile VfioVector[] vectors = {};

    /**
     * @param fd the device's file, owned from here on, unless this throws
     * @param closed runs once the device's file is closed
     */
    VfioDevice(PciFunction function, Fd fd, DmaSpace memory, Runnable closed) {
        super(function);
        this.fd = fd;
        this.memory = memory;
        this.closed = closed;
        info = VfioCalls.deviceInfo(fd);
        VfioCalls.RegionInfo region = VfioCalls.regionInfo(fd, VfioCalls.PCI_CONFIG_REGION);
        vectorCount = Math.max(VfioCalls.irqCount(fd.value(), VfioCalls.PCI_MSIX_IRQ), 0);
        config = new ConfigSpace(function.toString(), fd.value(), region.offset());
        wantedBack = EventFd.create();
        try {
            // Refused by kernels that cannot tell.
            int ignored = VfioCalls.setIrqs(fd.value(), VfioCalls.PCI_REQ_IRQ, wantedBack.value());
            masterBus();
        } catch (RuntimeException e) {
            wantedBack.close();
            throw e;
        }
    }

    @Override
    public Bar bar(int index) {
        VfioCalls.RegionInfo region = VfioCalls.regionInfo(fd, index);
        if (index > 5 || (region.flags() & VfioCalls.REGION_MMAP) == 0) {
            throw new LinuxException(
                    "map BAR " + index + " of " + function(),
                    Errno.ENXIO,
                    region.lengthBytes() == 0 ? "the function has no such BAR" : "it cannot be mapped");
        }
        return new Bar(Mapping.shared(fd, region.offset(), region.lengthBytes()));
    }

    @Override
    public ConfigSpace config() {
        return config;
    }

    @Override
    public DmaSpace memory() {
        return memory;
    }

    @Override
    public int vectorCount() {
        return vectorCount;
    }

    @Override
    public void reserveVectors(List<EventFd> events) {
        int count = events.size();
        if (count > vectorCount) {
            throw new IllegalArgumentException(this + " has " + vectorCount + " vectors, not " + count);
        }
        if (vectors.length != 0) {
            vectors = new VfioVector[0];
            int ignored = VfioCalls.disableIrqs(fd.value(), VfioCalls.PCI_MSIX_IRQ);
        }
        if (count == 0) {
            return;
        }
        int[] none = new int[count];
        Arrays.fill(none, -1);
        int result = VfioCalls.setIrqs(fd.value(), VfioCalls.PCI_MSIX_IRQ, none);
        if (result < 0) {
            throw new LinuxException(
                    "reserve " + count + " MSI-X vectors of " + function(), result, irqRemedy(-result));
        }
        VfioVector[] reserved = new VfioVector[count];
        for (int i = 0; i < count; i++) {
            reserved[i] = new VfioVector(fd, i, events.get(i));
        }
        vectors = reserved;
    }

    @Override
    public int enableVector(int number) {
        VfioVector[] reserved = vectors;
        return number < reserved.length ? reserved[number].enable() : -Errno.ENODEV;
    }

    @Override
    public int disableVector(int number) {
        VfioVector[] reserved = vectors;
        return number < reserved.length ? reserved[number].disable() : -Errno.ENODEV;
    }

    @Override
    public boolean canReset() {
        return (info.flags() & VfioCalls.DEVICE_RESET) != 0;
    }

    @Override
    public void reset() {
        int result = VfioCalls.reset(fd.value());
        if (result < 0) {
            throw new LinuxException("reset " + function(), result, "the function may have gone, or cannot be reset");
        }
        masterBus();
    }

    @Override
    public EventFd wantedBack() {
        return wantedBack;
    }

    @Override
    public void close() {
        if (fd.isClosed()) {
            return;
        }
        try {
            reserveVectors(List.of());
            if (!isGone()) {
                setBusMaster(false);
            }
        } finally {
            fd.close(); // resets the function
            wantedBack.close();
            closed.run();
        }
    }

    private void masterBus() {
        config.changeCommand(ConfigSpace.COMMAND_MEMORY, 0);
        setBusMaster(true);
    }

    private static String irqRemedy(int errno) {
        return switch (errno) {
            case Errno.EPERM, Errno.EINVAL ->
                "without interrupt remapping the kernel refuses; see /sys/module/vfio_iommu_type1/parameters"
                        + "/allow_unsafe_interrupts";
            case Errno.ENOSPC, Errno.ENOMEM -> "the machine has no more interrupt vectors; use fewer queues";
            default -> "";
        };
    }
}
