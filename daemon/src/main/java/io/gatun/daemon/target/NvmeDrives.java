package io.gatun.daemon.target;

import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.PcieTransport;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.vfio.PciAccess;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The NVMe drives that this process has, by name and in the order they were attached, and what they share: memory of
 * guests is made reachable once for all drives behind one IOMMU.
 *
 * <p><b>Thread-safety:</b> as {@link Target}.
 */
final class NvmeDrives implements AutoCloseable {
    private final PciAccess access = new PciAccess(PciBus.system());
    private final Map<String, NvmeDrive> drives = new LinkedHashMap<>();

    /**
     * Takes the controller at an address; throws {@link io.gatun.linux.LinuxException} or {@link
     * io.gatun.nvme.NvmeException} where it cannot be had.
     */
    NvmeDrive attach(String name, PciAddress address, NvmeOptions options) {
        NvmeController controller = NvmeController.attach(PcieTransport.open(access, address), options);
        NvmeDrive drive = new NvmeDrive(name, controller);
        drives.put(name, drive);
        return drive;
    }

    /** The drive of that name, or null. */
    NvmeDrive find(String name) {
        return drives.get(name);
    }

    Collection<NvmeDrive> all() {
        return drives.values();
    }

    /** Shuts a controller down and gives it back. */
    void detach(NvmeDrive drive) {
        drives.remove(drive.name());
        drive.close();
    }

    @Override
    public void close() {
        drives.values().forEach(NvmeDrive::close);
        drives.clear();
        access.close();
    }
}
