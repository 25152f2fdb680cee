package io.gatun.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A namespace of QEMU's NVMe controller model, with a sparse image of its own; immutable, made with the {@code with}
 * methods.
 *
 * @param sizeMegabytes size of the image
 * @param blockBytes size of a logical block, 512 to 2 MiB, a power of two; the model then also offers the formats that
 *     it offers by itself
 * @param faults what goes wrong on the medium
 * @param properties further properties of QEMU's {@code nvme-ns}, such as {@code shared=off}
 */
public record NvmeDisk(int sizeMegabytes, int blockBytes, List<Fault> faults, List<String> properties) {
    /** What a request does to the medium. */
    public enum Access {
        READ("read_aio"),
        WRITE("write_aio"),
        FLUSH("flush_to_disk");

        private final String event;

        Access(String event) {
            this.event = event;
        }
    }

    /**
     * An I/O error that QEMU's {@code blkdebug} injects each time (QEMU, docs/devel/blkdebug.txt).
     *
     * @param sector the 512-byte sector that a request must touch, or -1 for any request
     */
    public record Fault(Access access, long sector) {}

    /** A disk of 512-byte blocks. */
    public static NvmeDisk ofMegabytes(int size) {
        return new NvmeDisk(size, 512, List.of(), List.of());
    }

    public NvmeDisk withBlockBytes(int size) {
        return new NvmeDisk(sizeMegabytes, size, faults, properties);
    }

    public NvmeDisk withFault(Access access, long sector) {
        List<Fault> all = plus(faults, new Fault(access, sector));
        return new NvmeDisk(sizeMegabytes, blockBytes, all, properties);
    }

    public NvmeDisk withProperty(String property) {
        return new NvmeDisk(sizeMegabytes, blockBytes, faults, plus(properties, property));
    }

    /** QEMU's arguments for the medium: a block node that is called {@code name}. */
    List<String> medium(String name, String image) {
        StringBuilder block = new StringBuilder("driver=raw,discard=unmap,node-name=").append(name);
        String prefix = "file.";
        if (!faults.isEmpty()) {
            block.append(",file.driver=blkdebug");
            for (int i = 0; i < faults.size(); i++) {
                Fault fault = faults.get(i);
                String rule = ",file.inject-error.%d.".formatted(i);
                block.append(rule).append("event=").append(fault.access().event);
                block.append(rule).append("iotype=").append(fault.access().name().toLowerCase(Locale.ROOT));
                if (fault.sector() >= 0) {
                    block.append(rule).append("sector=").append(fault.sector());
                }
            }
            prefix = "file.image.";
        }
        // The image need not be safe from a crash of the host.
        for (String option : List.of("driver=file", "discard=unmap", "cache.no-flush=on", "filename=" + image)) {
            block.append(',').append(prefix).append(option);
        }
        return List.of("-blockdev", block.toString());
    }

    /** QEMU's arguments for namespace {@code number} of a controller on the medium {@code name}. */
    List<String> namespace(String controller, int number, String name) {
        StringBuilder device = new StringBuilder("nvme-ns,id=%1$s-ns,drive=%1$s,bus=%2$s,nsid=%3$d".formatted(
                name, controller, number));
        device.append(",logical_block_size=").append(blockBytes).append(",physical_block_size=").append(blockBytes);
        properties.forEach(property -> device.append(',').append(property));
        return List.of("-device", device.toString());
    }

    private static <T> List<T> plus(List<T> list, T element) {
        List<T> all = new ArrayList<>(list);
        all.add(element);
        return List.copyOf(all);
    }
}
