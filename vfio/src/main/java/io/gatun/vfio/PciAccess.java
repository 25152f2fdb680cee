package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Opens functions through whatever they are with, VFIO or UIO, and keeps what they share: the functions behind one kind
 * of IOMMU see the same memory, which is mapped once for all of them.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class PciAccess implements AutoCloseable {
    private final PciBus bus;
    private final List<VfioContainer> containers = new ArrayList<>();
    private PhysicalSpace physical;
    private IommuFdContext iommuFd;

    /** Opens nothing yet. */
    public PciAccess(PciBus bus) {
        this.bus = bus;
    }

    /** Where functions are looked up. */
    public PciBus bus() {
        return bus;
    }

    /** Opens a function that is with {@code vfio-pci} or {@code uio_pci_generic}; throws with the remedy. */
    public PciDevice open(PciAddress address) {
        return open(address, Optional.empty());
    }

    /**
     * Opens a function that is with {@code vfio-pci} or {@code uio_pci_generic}; throws {@link LinuxException} with the
     * remedy.
     *
     * @param token see {@link VfioContainer#open(PciFunction, Optional)}; only where the kernel has groups
     */
    public synchronized PciDevice open(PciAddress address, Optional<UUID> token) {
        PciFunction function = bus.function(address);
        if (!function.hasDriver(UioDevice.DRIVER)) {
            return hasGroup(function) || !IommuFdContext.offers(function)
                    ? openVfio(function, token)
                    : openIommuFd(function);
        }
        if (physical == null) {
            physical = new PhysicalSpace();
        }
        return UioDevice.open(function, physical);
    }

    /** Takes all memory from the devices, which are closed before. */
    @Override
    public synchronized void close() {
        containers.forEach(VfioContainer::close);
        containers.clear();
        if (physical != null) {
            physical.close();
            physical = null;
        }
        if (iommuFd != null) {
            iommuFd.close();
            iommuFd = null;
        }
    }

    /** Kernels without groups may have the file of the containers, as a guise of {@code /dev/iommu}. */
    private static boolean hasGroup(PciFunction function) {
        return function.iommuGroup() >= 0
                && Files.exists(VfioContainer.CONTROL)
                && Files.exists(Path.of(VfioFiles.group(function)));
    }

    private VfioDevice openIommuFd(PciFunction function) {
        VfioFiles.requireDriver(function);
        if (iommuFd == null) {
            iommuFd = IommuFdContext.open();
        }
        return iommuFd.open(function);
    }

    private VfioDevice openVfio(PciFunction function, Optional<UUID> token) {
        VfioFiles.requireDriver(function);
        for (VfioContainer container : containers) {
            try {
                return container.open(function, token);
            } catch (LinuxException e) {
                if (e.errno() != Errno.EINVAL) { // what a container says to a function behind another kind of IOMMU
                    throw e;
                }
            }
        }
        VfioContainer container = VfioContainer.open();
        try {
            VfioDevice device = container.open(function, token);
            containers.add(container);
            return device;
        } catch (RuntimeException e) {
            container.close();
            throw e;
        }
    }

    @Override
    public String toString() {
        return "access to " + bus;
    }
}
