package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The PCI functions of this machine, from sysfs: read anew by each call.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class PciBus {
    private static final int BAR_COUNT = 6;

    private final Path root;

    /**
     * A bus whose {@code sys}, {@code proc} and {@code dev} lie under another root: a test's, or a host's as a
     * container sees it.
     */
    public PciBus(Path root) {
        this.root = root;
    }

    /** This machine's. */
    public static PciBus system() {
        return new PciBus(Path.of("/"));
    }

    /** All functions, by address; empty where there is no PCI. */
    public List<PciFunction> functions() {
        List<PciFunction> functions = new ArrayList<>();
        for (Path directory : Sysfs.list(root.resolve("sys/bus/pci/devices"))) {
            read(PciAddress.parse(directory.getFileName().toString())).ifPresent(functions::add);
        }
        functions.sort((a, b) -> a.address().compareTo(b.address()));
        return functions;
    }

    /** One function; throws {@link LinuxException} ({@code ENODEV}) with the remedy if it is not there. */
    public PciFunction function(PciAddress address) {
        return read(address)
                .orElseThrow(() -> new LinuxException(
                        "find the PCI function " + address,
                        Errno.ENODEV,
                        "there is none; \"gatun pci list\" and \"lspci -D\" show which there are"));
    }

    /** The functions of an IOMMU group, by address. */
    public List<PciFunction> group(int iommuGroup) {
        List<PciFunction> members = new ArrayList<>();
        for (PciFunction function : functions()) {
            if (function.iommuGroup() == iommuGroup) {
                members.add(function);
            }
        }
        return members;
    }

    /** Where everything is looked up. */
    Path root() {
        return root;
    }

    /** The folder of a driver of the PCI bus, which is there while it is loaded. */
    Path driver(String name) {
        return root.resolve("sys/bus/pci/drivers").resolve(name);
    }

    private Optional<PciFunction> read(PciAddress address) {
        Path directory = root.resolve("sys/bus/pci/devices").resolve(address.toString());
        if (!Files.isDirectory(directory)) {
            return Optional.empty();
        }
        return Optional.of(new PciFunction(
                address,
                directory,
                Sysfs.number(directory.resolve("vendor"), 0xffff),
                Sysfs.number(directory.resolve("device"), 0xffff),
                Sysfs.number(directory.resolve("class"), 0),
                Sysfs.number(directory.resolve("numa_node"), -1),
                Sysfs.linkName(directory.resolve("driver")),
                Sysfs.linkName(directory.resolve("iommu_group")).map(Integer::parseInt).orElse(-1),
                bars(directory)));
    }

    private static List<PciBar> bars(Path directory) {
        List<PciBar> bars = new ArrayList<>();
        List<String> lines = Sysfs.read(directory.resolve("resource")).map(s -> s.lines().toList()).orElse(List.of());
        for (int i = 0; i < BAR_COUNT; i++) {
            bars.add(i < lines.size() ? PciBar.parse(i, lines.get(i)) : new PciBar(i, 0, false, false, false));
        }
        return bars;
    }

    @Override
    public String toString() {
        return "PCI under " + root;
    }
}
