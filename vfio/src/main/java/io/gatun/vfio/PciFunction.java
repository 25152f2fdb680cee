package io.gatun.vfio;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What sysfs said of a PCI function when it was read. Source: {@code Documentation/PCI/sysfs-pci.rst}.
 *
 * @param directory its folder in sysfs
 * @param classCode class, subclass and programming interface, as in 0x010802 for NVMe
 * @param numaNode the node it is attached to, or -1 where the machine does not say
 * @param driver the kernel's driver that has it, if any
 * @param iommuGroup the number of its IOMMU group, or -1 without an IOMMU
 * @param bars the six base address registers, those that are not there with length 0
 */
public record PciFunction(
        PciAddress address,
        Path directory,
        int vendorId,
        int deviceId,
        int classCode,
        int numaNode,
        Optional<String> driver,
        int iommuGroup,
        List<PciBar> bars) {
    /** The class code of an NVMe controller: mass storage, non-volatile memory, NVM Express. */
    public static final int CLASS_NVME = 0x010802;

    /** Keeps the list from changing. */
    public PciFunction {
        bars = List.copyOf(bars);
    }

    /** Whether it has this driver now, or had when it was read. */
    public boolean hasDriver(String name) {
        return driver.isPresent() && driver.get().equals(name);
    }

    @Override
    public String toString() {
        return String.format("%s %04x:%04x", address, vendorId, deviceId);
    }
}
