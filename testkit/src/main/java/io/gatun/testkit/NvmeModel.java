package io.gatun.testkit;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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

    /**
     * Its only namespace is a part of it, of 512-byte blocks, and has no UUID: QEMU can plug in such a controller while
     * a machine runs, which it cannot do with namespaces.
     */
    public NvmeModel pluggable() {
        if (disks.size() != 1) {
            throw new IllegalStateException("a controller that can be plugged in has one namespace: " + this);
        }
        return withProperty("drive=" + name(1));
    }

    /**
     * QEMU's arguments for its media, whose images are made in a folder, and for the device.
     *
     * @param place where it is on the bus, such as {@code addr=4.0}
     */
    List<String> arguments(String place, Path folder) {
        List<String> arguments = new ArrayList<>(media(folder));
        StringBuilder device = new StringBuilder("nvme");
        device(place).forEach((name, value) -> device.append(',').append(name).append('=').append(value));
        arguments.addAll(List.of("-device", device.toString()));
        for (int i = 0; i < disks.size() && !properties.contains("drive=" + name(1)); i++) {
            arguments.addAll(disks.get(i).namespace(serial, i + 1, name(i + 1)));
        }
        return arguments;
    }

    private List<String> media(Path folder) {
        List<String> arguments = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            Path image = folder.resolve(name(i + 1) + ".img");
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength((long) disks.get(i).sizeMegabytes() << 20);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            arguments.addAll(disks.get(i).medium(name(i + 1), image.toString()));
        }
        return arguments;
    }

    /** The device without its namespaces, as QEMU's {@code device_add} wants it but for the driver. */
    Map<String, String> device(String place) {
        Map<String, String> device = new LinkedHashMap<>(Map.of("id", serial, "serial", serial));
        List<String> all = new ArrayList<>(List.of(place.split(",")));
        all.addAll(properties);
        all.forEach(property -> device.put(
                property.substring(0, property.indexOf('=')), property.substring(property.indexOf('=') + 1)));
        return device;
    }

    private String name(int namespace) {
        return serial + "n" + namespace;
    }
}
