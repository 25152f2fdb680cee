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
 * <p>{@link PciAccess} takes it where a function has no group that could be opened: in a kernel without, or in a
 * container that was given no more than {@code /dev/iommu} and the device.
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
        String path = path(function);
        Fd device = VfioFiles.open(path, "is /dev a devtmpfs?");
        try {
            int bound = IommuFd.bind(device.value(), fd.value());
            if (bound < 0) {
                device.close(); // or we would be among those who have it open
                throw new LinuxException("bind " + function + " to " + CONTROL, bound, bindRemedy(-bound, path));
            }
            int attached = IommuFd.attach(device.value(), space);
            if (attached < 0) {
                throw new LinuxException(
                        "attach " + function + " to an address space of " + CONTROL, attached, attachRemedy(-attached));
            }
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

    private static String bindRemedy(int errno, String path) {
        return switch (errno) {
            case Errno.EINVAL -> {
                List<String> holders = FileHolders.list(Path.of("/proc"), path);
                yield holders.isEmpty()
                        ? "a process that this user cannot see has it, or its IOMMU lets caches differ from memory"
                        : "it is in use by " + String.join(", ", holders) + "; end that first";
            }
            case Errno.EBUSY ->
                "its IOMMU group is in use: by a process that has /dev/vfio/GROUP open, or by the kernel's driver of"
                        + " another function; end that, or bind that to " + VfioFiles.DRIVER;
            case Errno.EPERM ->
                "the IOMMU does not remap interrupts; if every device can be trusted: echo 1"
                        + " >/sys/module/iommufd/parameters/allow_unsafe_interrupts";
            default -> "";
        };
    }

    private static String attachRemedy(int errno) {
        return switch (errno) {
            case Errno.EINVAL -> "its IOMMU differs from that of the devices beside it";
            case Errno.EBUSY -> "another function of its IOMMU group is in another address space";
            default -> "";
        };
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
