package io.gatun.testkit;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * QEMU's NVMe controller model as a machine is given it; immutable, made with the {@code with} methods.
 *
 * @param serial the serial number; also QEMU's id of the device
 * @param disks the namespaces, numbered from 1
 * @param properties further properties of QEMU's {@code nvme}, such as {@code mdts=5} or {@code max_ioqpairs=4}
 */
public record NvmeModel(String serial, List<NvmeDisk> disks, List<String> properties) {
    /** A controller without a namespace. */
    public static NvmeModel of(String serial) {
        return new NvmeModel(serial, List.of(), List.of());
    }

    /** Adds a namespace; the first has the number 1. */
    public NvmeModel with(NvmeDisk disk) {
        List<NvmeDisk> all = new ArrayList<>(disks);
        all.add(disk);
        return new NvmeModel(serial, List.copyOf(all), properties);
    }

    public NvmeModel withProperty(String property) {
        List<String> all = new ArrayList<>(properties);
        all.add(property);
        return new NvmeModel(serial, disks, List.copyOf(all));
    }

    /** Makes the images of the namespaces in a folder and gives QEMU's arguments for the device in a PCI slot. */
    List<String> arguments(int slot, Path folder) {
        StringBuilder device = new StringBuilder("nvme,id=%1$s,serial=%1$s,addr=%2$x.0".formatted(serial, slot));
        properties.forEach(property -> device.append(',').append(property));
        List<String> arguments = new ArrayList<>(List.of("-device", device.toString()));
        for (int i = 0; i < disks.size(); i++) {
            String name = serial + "n" + (i + 1);
            Path image = folder.resolve(name + ".img");
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength((long) disks.get(i).sizeMegabytes() << 20);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            arguments.addAll(disks.get(i).arguments(serial, i + 1, name, image.toString()));
        }
        return arguments;
    }
}
