package io.gatun.vfio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** A folder with as much of {@code /sys}, {@code /proc} and {@code /dev} as the code under test looks at. */
final class FakeMachine {
    final Path root;

    FakeMachine(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root.resolve("sys/bus/pci/devices"));
        Files.createDirectories(root.resolve("sys/class/block"));
        Files.createDirectories(root.resolve("dev"));
        write("sys/bus/pci/drivers_probe", "");
        write("proc/1/mountinfo", "22 27 0:21 / /proc rw,relatime - proc proc rw\n");
        write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    }

    PciBus bus() {
        return new PciBus(root);
    }

    void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    String read(String file) throws IOException {
        return Files.readString(root.resolve(file));
    }

    void link(String file, String target) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.createDirectories(root.resolve(target));
        Files.createSymbolicLink(path, path.getParent().relativize(root.resolve(target)));
    }

    /** Adds a driver; its folder is where the kernel has it. */
    void driver(String name) throws IOException {
        write("sys/bus/pci/drivers/" + name + "/bind", "");
        write("sys/bus/pci/drivers/" + name + "/unbind", "");
    }

    /** Adds an NVMe controller of QEMU's, without a driver and an IOMMU. */
    PciAddress nvme(String address) throws IOException {
        String directory = device(address);
        write(directory + "/vendor", "0x1b36\n");
        write(directory + "/device", "0x0010\n");
        write(directory + "/class", "0x010802\n");
        write(directory + "/numa_node", "-1\n");
        write(directory + "/driver_override", "(null)\n");
        write(
                directory + "/resource",
                """
                0x00000000febd4000 0x00000000febd7fff 0x0000000000140204
                0x0000000000000000 0x0000000000000000 0x0000000000000000
                0x000000000000c000 0x000000000000c03f 0x0000000000040101
                0x0000380000000000 0x000038000fffffff 0x000000000014220c
                0x0000000000000000 0x0000000000000000 0x0000000000000000
                0x0000000000000000 0x0000000000000000 0x0000000000000000
                0x0000000000000000 0x0000000000000000 0x0000000000000000
                """);
        Files.write(root.resolve(directory).resolve("config"), config());
        link("sys/bus/pci/devices/" + address, directory);
        return PciAddress.parse(address);
    }

    /** Gives a function a driver. */
    void bound(String address, String driver) throws IOException {
        driver(driver);
        Files.deleteIfExists(root.resolve(device(address)).resolve("driver"));
        link(device(address) + "/driver", "sys/bus/pci/drivers/" + driver);
    }

    /** Puts a function into an IOMMU group. */
    void group(String address, int number, String type) throws IOException {
        write("sys/kernel/iommu_groups/" + number + "/type", type + "\n");
        link(device(address) + "/iommu_group", "sys/kernel/iommu_groups/" + number);
    }

    /** Adds a disk, or a partition, below a folder. */
    void block(String name, String directory, String majorMinor) throws IOException {
        write(directory + "/dev", majorMinor + "\n");
        Files.createDirectories(root.resolve(directory).resolve("holders"));
        link("sys/class/block/" + name, directory);
        write("dev/" + name, "");
    }

    /** Where the kernel has a function's folder. */
    static String device(String address) {
        return "sys/devices/pci0000:00/" + address;
    }

    /** Power management at 0x60, PCI Express at 0x80, MSI-X at 0x40: the order of QEMU's. */
    private static byte[] config() {
        ByteBuffer config = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        config.putInt(0, 0x0010_1b36).putShort(4, (short) 0x0003).putShort(6, (short) 0x0010);
        config.put(0x34, (byte) 0x40).put(0x3d, (byte) 1);
        config.putShort(0x40, (short) 0x8011).putShort(0x80, (short) 0x6010).putShort(0x60, (short) 0x0001);
        config.putInt(0x100, 0x1501_0001).putInt(0x150, 0x0001_000d);
        return config.array();
    }
}
