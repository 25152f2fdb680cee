package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.cli.ConfigFile.Call;
import java.util.List;

/** {@code --bdev KIND:NAME,key=value,…} and {@code --vhost-blk SOCKET,key=value,…}, as the calls they stand for. */
final class DeviceOption {
    private static final String BDEV_FORM = "KIND:NAME,key=value,… with KIND malloc, file, nvme or null";
    private static final List<String> MALLOC_KEYS = List.of("size", "block-size", "uuid");
    private static final List<String> FILE_KEYS = List.of("path", "direct", "block-size", "readonly", "uuid");
    private static final List<String> NVME_KEYS = List.of("traddr");
    private static final List<String> BLK_KEYS =
            List.of("bdev", "queues", "readonly", "packed", "connect", "cpumask", "serial");
    private static final int DEFAULT_BLOCK_SIZE = 512;

    private DeviceOption() {}

    /** The call that makes a disk. */
    static Call bdev(String given) {
        OptionText spec = new OptionText("--bdev", given);
        int colon = given.indexOf(':');
        if (colon < 1) {
            throw spec.wrong("expected " + BDEV_FORM);
        }
        String kind = given.substring(0, colon);
        String name = spec.split(given.substring(colon + 1));
        if (name.isEmpty() || name.contains("=")) {
            throw spec.wrong("the name is missing: expected " + BDEV_FORM);
        }
        return switch (kind) {
            case "malloc", "null" -> ramDisk(spec, kind, name);
            case "file" -> fileDisk(spec, name);
            case "nvme" -> nvmeDrive(spec, name);
            default -> throw spec.wrong("unknown kind " + kind + ": expected malloc, file, nvme or null");
        };
    }

    /** The call that serves a disk at a socket. */
    static Call vhostBlk(String given) {
        OptionText spec = new OptionText("--vhost-blk", given);
        String socket = spec.split(given);
        spec.checkKeys(BLK_KEYS);
        if (socket.isEmpty() || BLK_KEYS.contains(socket.split("=", 2)[0])) {
            throw spec.wrong("the socket is missing: expected SOCKET,bdev=NAME,…");
        }
        String bdev = spec.required("bdev", "the name of a --bdev");
        ObjectNode params = object().put("ctrlr", socket).put("dev_name", bdev);
        params.put("packed_ring", spec.truth("packed", true));
        if (spec.has("queues")) {
            params.put("num_queues", spec.number("queues", 1, 256));
        }
        if (spec.truth("readonly", false)) {
            params.put("readonly", true);
        }
        if (spec.truth("connect", false)) {
            params.put("connect", true);
        }
        spec.copy("cpumask", params);
        spec.copy("serial", params);
        return new Call("vhost_create_blk_controller", params);
    }

    private static Call ramDisk(OptionText spec, String kind, String name) {
        spec.checkKeys(MALLOC_KEYS);
        int blockSize = blockSize(spec, DEFAULT_BLOCK_SIZE);
        long bytes = spec.size("size", spec.required("size", Sizes.ACCEPTED));
        if (bytes % blockSize != 0) {
            throw spec.wrong("size=" + spec.value("size") + ": expected a multiple of the block size " + blockSize);
        }
        ObjectNode params = object()
                .put("name", name)
                .put("block_size", blockSize)
                .put("num_blocks", bytes / blockSize);
        spec.copy("uuid", params);
        return new Call("bdev_" + kind + "_create", params);
    }

    private static Call fileDisk(OptionText spec, String name) {
        spec.checkKeys(FILE_KEYS);
        ObjectNode params = object().put("name", name).put("filename", spec.required("path", "a file or block device"));
        if (spec.has("block-size")) {
            params.put("block_size", blockSize(spec, 0));
        }
        if (spec.truth("direct", false)) {
            params.put("direct", true);
        }
        if (spec.truth("readonly", false)) {
            params.put("readonly", true);
        }
        spec.copy("uuid", params);
        return new Call("bdev_uring_create", params);
    }

    private static Call nvmeDrive(OptionText spec, String name) {
        spec.checkKeys(NVME_KEYS);
        ObjectNode params = object()
                .put("name", name)
                .put("trtype", "PCIe")
                .put("traddr", spec.required("traddr", "the PCI address of a drive, as gatun nvme list shows it"));
        return new Call("bdev_nvme_attach_controller", params);
    }

    private static int blockSize(OptionText spec, int absent) {
        String value = spec.value("block-size");
        if (value == null) {
            return absent;
        }
        return switch (value) {
            case "512" -> 512;
            case "4096", "4k", "4K" -> 4096;
            default -> throw spec.wrong("block-size=" + value + ": expected 512 or 4096");
        };
    }

    private static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
