package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.VfioCalls;
import io.gatun.linux.VfioIommu;
import io.gatun.linux.VfioIommu.IovaRange;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * A VFIO container: devices that see memory through one IOMMU context, so that memory is mapped, and counted as locked,
 * once for all of them. Source: {@code Documentation/driver-api/vfio.rst}.
 *
 * <p>The kind of IOMMU is chosen with the first device: type 1 v2, or none in the kernel's unsafe no-IOMMU mode, where
 * the devices of a container reach all physical memory. Memory stays mapped while devices come and go, at the same
 * addresses.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class VfioContainer implements AutoCloseable {
    static final Path CONTROL = Path.of("/dev/vfio/vfio");

    private final Fd fd;
    private final Map<Integer, Group> groups = new TreeMap<>();
    private final Set<PciAddress> devices = new TreeSet<>();
    private DmaSpace memory;
    private int iommu;

    private static final class Group {
        final Fd fd;
        int devices;

        Group(Fd fd) {
            this.fd = fd;
        }
    }

    private record Type1(int container) implements IommuSpace.Iommu {
        @Override
        public List<IovaRange> ranges() {
            return VfioIommu.info(container).ranges();
        }

        @Override
        public int map(long address, long iova, long lengthBytes) {
            return VfioIommu.map(container, address, iova, lengthBytes);
        }

        @Override
        public int unmap(long iova, long lengthBytes) {
            return VfioIommu.unmap(container, iova, lengthBytes);
        }
    }

    private VfioContainer(Fd fd) {
        this.fd = fd;
    }

    /** Makes an empty container; throws {@link LinuxException} with the remedy. */
    public static VfioContainer open() {
        Fd fd = VfioFiles.open(CONTROL.toString(), "load the module: modprobe vfio-pci");
        int version = VfioCalls.apiVersion(fd.value());
        if (version != VfioCalls.API_VERSION) {
            fd.close();
            throw new LinuxException("open " + CONTROL, Errno.ENOTTY, "it speaks version " + version + " of VFIO");
        }
        return new VfioContainer(fd);
    }

    /** Opens a function that is with {@code vfio-pci}; throws {@link LinuxException} with the remedy. */
    public VfioDevice open(PciFunction function) {
        return open(function, Optional.empty());
    }

    /**
     * Opens a function that is with {@code vfio-pci}; throws {@link LinuxException} with the remedy.
     *
     * @param token what a virtual function and its physical function, where that is in user space, too, have agreed on
     */
    public synchronized VfioDevice open(PciFunction function, Optional<UUID> token) {
        VfioFiles.requireDriver(function);
        if (devices.contains(function.address())) {
            throw new LinuxException("open " + function, Errno.EBUSY, "this process has it open already");
        }
        Group group = groups.get(function.iommuGroup());
        if (group != null && VfioCalls.groupStatus(group.fd.value()) == -Errno.ENODEV) {
            // Its devices were unplugged; another group has its number.
            groups.remove(function.iommuGroup());
            group.fd.close();
            group = null;
        }
        if (group == null) {
            group = new Group(openGroup(function));
            groups.put(function.iommuGroup(), group);
        }
        group.devices++;
        try {
            String name = function.address() + token.map(t -> " vf_token=" + t).orElse("");
            int result = VfioCalls.groupGetDevice(group.fd.value(), name);
            if (result < 0) {
                throw new LinuxException("open " + function + " in its VFIO group", result, VfioFiles.remedy(-result));
            }
            Fd device = Fd.owning(result);
            try {
                VfioDevice opened = new VfioDevice(function, device, memory, () -> closed(function));
                devices.add(function.address());
                return opened;
            } catch (RuntimeException e) {
                device.close();
                throw e;
            }
        } catch (RuntimeException e) {
            left(function.iommuGroup());
            throw e;
        }
    }

    /** What the devices reach; throws {@link IllegalStateException} before the first one is open. */
    public synchronized DmaSpace memory() {
        if (memory == null) {
            throw new IllegalStateException("a container has an IOMMU once it has a device");
        }
        return memory;
    }

    /** Takes all memory from the devices, which are closed before. */
    @Override
    public synchronized void close() {
        if (memory != null) {
            memory.close();
        }
        groups.values().forEach(g -> g.fd.close());
        groups.clear();
        fd.close();
    }

    private Fd openGroup(PciFunction function) {
        boolean unsafe = VfioFiles.isWithoutIommu(function);
        Fd group = VfioFiles.open(VfioFiles.group(function), VfioFiles.groupRemedy(function));
        try {
            int status = VfioCalls.groupStatus(group.value());
            if (status >= 0 && (status & VfioCalls.GROUP_VIABLE) == 0) {
                throw new LinuxException(
                        "use IOMMU group " + function.iommuGroup(), Errno.EBUSY, VfioFiles.notViable(function));
            }
            int result = VfioCalls.groupSetContainer(group.value(), fd.value());
            if (result == 0) {
                result = chooseIommu(unsafe ? VfioCalls.NOIOMMU_IOMMU : VfioCalls.TYPE1V2_IOMMU);
            }
            if (result < 0) {
                throw new LinuxException(
                        "put IOMMU group " + function.iommuGroup() + " into a container",
                        result,
                        VfioFiles.containerRemedy(-result));
            }
            return group;
        } catch (RuntimeException e) {
            group.close();
            throw e;
        }
    }

    /** The container's first device decides; it is asked for again when the last one was unplugged. */
    private int chooseIommu(int wanted) {
        if (iommu != 0 && iommu != wanted) {
            return -Errno.EINVAL;
        }
        if (iommu == 0 && VfioCalls.checkExtension(fd.value(), wanted) != 1) {
            return -Errno.ENODEV;
        }
        int result = VfioCalls.setIommu(fd.value(), wanted);
        if (result == -Errno.EINVAL && iommu == wanted) { // it has one, as it should
            if (memory instanceof IommuSpace space) {
                space.restrict();
            }
            return 0;
        }
        if (result == 0 && memory instanceof IommuSpace space) {
            space.restore();
        } else if (result == 0 && memory == null) {
            iommu = wanted;
            memory = wanted == VfioCalls.NOIOMMU_IOMMU ? new PhysicalSpace() : new IommuSpace(new Type1(fd.value()));
        }
        return result;
    }

    private synchronized void closed(PciFunction function) {
        devices.remove(function.address());
        left(function.iommuGroup());
    }

    /** The last device of a group takes it along, but not the last group of a container, whose memory would go. */
    private void left(int number) {
        Group group = groups.get(number);
        if (group != null && --group.devices == 0 && groups.size() > 1) {
            groups.remove(number);
            group.fd.close();
        }
    }

    @Override
    public String toString() {
        return "VFIO container with groups " + groups.keySet();
    }
}
