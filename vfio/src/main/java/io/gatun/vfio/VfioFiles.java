package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import java.nio.file.Path;
import java.util.stream.Collectors;

/** The files of VFIO, and what to do where one cannot be opened. */
final class VfioFiles {
    static final String DRIVER = "vfio-pci";

    static final String NO_IOMMU = "switch the IOMMU on in the firmware and on the kernel's command line"
            + " (intel_iommu=on or amd_iommu=on); without one there is only uio_pci_generic, which protects nothing";

    private VfioFiles() {}

    /** Opens a file below /dev/vfio for reading and writing; throws with the remedy. */
    static Fd open(String path, String ifAbsent) {
        try {
            return FileIo.open(path, FileIo.O_RDWR, 0);
        } catch (LinuxException e) {
            String remedy =
                    switch (e.errno()) {
                        case Errno.ENOENT, Errno.ENODEV, Errno.ENXIO -> ifAbsent;
                        case Errno.EACCES, Errno.EPERM ->
                            "give this user the file (chown), or run as root; a container needs --device " + path;
                        case Errno.EBUSY ->
                            "it is in use by " + FileHolders.of(Path.of("/proc"), path) + "; end that first";
                        default -> "";
                    };
            LinuxException better = new LinuxException("open " + path, e.errno(), remedy);
            better.addSuppressed(e);
            throw better;
        }
    }

    static void requireDriver(PciFunction function) {
        if (!function.hasDriver(DRIVER)) {
            throw new LinuxException(
                    "open " + function + " through VFIO",
                    Errno.ENODEV,
                    "it is with " + function.driver().orElse("no driver") + "; bind it first: gatun pci bind "
                            + function.address() + " --driver " + DRIVER);
        }
    }

    /** Whether the kernel made up a group for a function that no IOMMU protects. */
    static boolean isWithoutIommu(PciFunction function) {
        Path name = function.directory().resolve("iommu_group").resolve("name");
        return Sysfs.read(name).filter("vfio-noiommu"::equals).isPresent();
    }

    /** The file of a function's group. */
    static String group(PciFunction function) {
        if (function.iommuGroup() < 0) {
            throw new LinuxException("open " + function + " through VFIO", Errno.ENODEV, "no IOMMU: " + NO_IOMMU);
        }
        return "/dev/vfio/" + (isWithoutIommu(function) ? "noiommu-" : "") + function.iommuGroup();
    }

    static String groupRemedy(PciFunction function) {
        return "no function of IOMMU group " + function.iommuGroup() + " is with " + DRIVER
                + " any more: gatun pci bind " + function.address() + " --driver " + DRIVER;
    }

    static String notViable(PciFunction function) {
        Path root = function.directory().getParent().getParent().getParent().getParent().getParent();
        String others = new PciBus(root)
                .group(function.iommuGroup()).stream()
                        .filter(f -> f.driver().isPresent() && !f.hasDriver(DRIVER) && !f.hasDriver("pcieport"))
                        .map(f -> f.address() + " (" + f.driver().orElseThrow() + ")")
                        .collect(Collectors.joining(", "));
        return "the IOMMU cannot tell its functions apart, so all of them are to be given to VFIO: bind "
                + (others.isEmpty() ? "the others" : others) + " to " + DRIVER + ", or unbind them";
    }

    static String containerRemedy(int errno) {
        return switch (errno) {
            case Errno.ENODEV -> "no IOMMU driver: modprobe vfio_iommu_type1; " + NO_IOMMU;
            case Errno.EPERM ->
                "the IOMMU does not remap interrupts; if every device can be trusted: echo 1"
                        + " >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
            case Errno.EBUSY -> "the group is in another container; end the process that has it";
            case Errno.EINVAL -> "its IOMMU differs from that of the container's other devices; use another container";
            default -> "";
        };
    }

    static String remedy(int errno) {
        return switch (errno) {
            case Errno.ENODEV -> "it is no longer with " + DRIVER;
            case Errno.EBUSY -> "another process has it; end that first";
            case Errno.EACCES -> "it is a virtual function, or has some: give the VF token that both sides agreed on";
            default -> "";
        };
    }
}
