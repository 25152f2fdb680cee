package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.IommuFd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.VfioIommu.IovaRange;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a {@link VfioContainer} is, for kernels that have no groups: devices of {@code /dev/vfio/devices} that see
 * memory through one address space of {@code /dev/iommu}. Source: {@code Documentation/driver-api/vfio.rst},
 * {@code Documentation/userspace-api/iommufd.rst} (Linux 6.6 and later).
 *
 * <p>Written by the kernel's documents; not tried on a kernel that has it yet. So {@link PciAccess} takes it only where
 * there is no other way.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class IommuFdContext implements AutoCloseable {
    private static final String CONTROL = "/dev/iommu";

    private final Fd fd;
    private final int space;
    private final Set<PciAddress> devices = new TreeSet<>();
    private IommuSpace memory;

    private record Ioas(int fd, int space) implements IommuSpace.Iommu {
        @Override
        public List<IovaRange> ranges() {
            return IommuFd.ranges(fd, space);
        }

        @Override
        public int map(long address, long iova, long lengthBytes) {
            return IommuFd.map(fd, space, address, iova, lengthBytes);
        }

        @Override
        public int unmap(long iova, long lengthBytes) {
            return IommuFd.unmap(fd, space, iova, lengthBytes);
        }
    }

    private IommuFdContext(Fd fd, int space) {
        this.fd = fd;
        this.space = space;
    }

    /** Makes an empty address space; throws {@link LinuxException} with the remedy. */
    public static IommuFdContext open() {
        Fd fd = VfioFiles.open(CONTROL, "load the module (modprobe iommufd); the kernel may have been built without");
        int space = IommuFd.allocateSpace(fd.value());
        if (space < 0) {
            fd.close();
            throw new LinuxException("make an address space of " + CONTROL, space, "");
        }
        return new IommuFdContext(fd, space);
    }

    /** Opens a function that is with {@code vfio-pci}; throws {@link LinuxException} with the remedy. */
    public synchronized VfioDevice open(PciFunction function) {
        VfioFiles.requireDriver(function);
        if (devices.contains(function.address())) {
            throw new LinuxException("open " + function, Errno.EBUSY, "this process has it open already");
        }
        Fd device = VfioFiles.open(path(function), "is /dev a devtmpfs?");
        try {
            require(IommuFd.bind(device.value(), fd.value()), "bind " + function + " to " + CONTROL);
            require(IommuFd.attach(device.value(), space), "attach " + function + " to an address space");
            if (memory == null) {
                memory = new IommuSpace(new Ioas(fd.value(), space));
            } else {
                memory.restrict();
            }
            VfioDevice opened = new VfioDevice(function, device, memory, () -> closed(function));
            devices.add(function.address());
            return opened;
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    /** Whether the kernel offers a function so. */
    static boolean offers(PciFunction function) {
        return !Sysfs.list(function.directory().resolve("vfio-dev")).isEmpty();
    }

    private static String path(PciFunction function) {
        List<Path> found = Sysfs.list(function.directory().resolve("vfio-dev"));
        if (found.isEmpty()) {
            throw new LinuxException(
                    "open " + function, Errno.ENODEV, "the kernel has no devices of VFIO (VFIO_DEVICE_CDEV)");
        }
        return "/dev/vfio/devices/" + found.getFirst().getFileName();
    }

    private static void require(int result, String what) {
        if (result < 0) {
            String remedy =
                    switch (-result) {
                        case Errno.EBUSY -> "another process has it, or another function of its IOMMU group";
                        case Errno.EINVAL -> "its IOMMU differs from that of the devices beside it";
                        case Errno.EPERM -> "the IOMMU does not remap interrupts";
                        default -> "";
                    };
            throw new LinuxException(what, result, remedy);
        }
    }

    private synchronized void closed(PciFunction function) {
        devices.remove(function.address());
    }

    /** Takes all memory from the devices, which are closed before. */
    @Override
    public synchronized void close() {
        if (memory != null) {
            memory.close();
        }
        fd.close();
    }

    @Override
    public String toString() {
        return "address space of " + CONTROL + " with " + devices;
    }
}
