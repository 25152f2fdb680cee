package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.cli.ConfigFile.Call;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * {@code --bdev KIND:NAME,key=value,…} and {@code --vhost-blk SOCKET,key=value,…}, as the method calls they stand for.
 * What does not make sense is a {@link UsageException}: the option as given, and what is accepted in its place.
 */
final class DeviceOption {
    private static final String BDEV_FORM = "KIND:NAME,key=value,… with KIND malloc, file or null";
    private static final List<String> MALLOC_KEYS = List.of("size", "block-size", "uuid");
    private static final List<String> FILE_KEYS = List.of("path", "direct", "block-size", "readonly", "uuid");
    private static final List<String> BLK_KEYS =
            List.of("bdev", "queues", "readonly", "packed", "connect", "cpumask", "serial");
    private static final int DEFAULT_BLOCK_SIZE = 512;
    /** Stands for a doubled comma while the others separate; no argument of a program can hold it. */
    private static final String COMMA = "\0";


    private final String option;
    private final String given;
    private final Map<String, String> values = new LinkedHashMap<>();

    private DeviceOption(String option, String given) {
        this.option = option;
        this.given = given;
    }

    /** The call that makes a disk. */
    static Call bdev(String given) {
        DeviceOption spec = new DeviceOption("--bdev", given);
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
            case "malloc", "null" -> spec.ramDisk(kind, name);
            case "file" -> spec.fileDisk(name);
            default -> throw spec.wrong("unknown kind " + kind + ": expected malloc, file or null");
        };
    }

    /** The call that serves a disk at a socket. */
    static Call vhostBlk(String given) {
        DeviceOption spec = new DeviceOption("--vhost-blk", given);
        String socket = spec.split(given);
        spec.checkKeys(BLK_KEYS);
        if (socket.isEmpty() || BLK_KEYS.contains(socket.split("=", 2)[0])) {
            throw spec.wrong("the socket is missing: expected SOCKET,bdev=NAME,…");
        }
        String bdev = spec.required("bdev", "the name of a --bdev");
        ObjectNode params = object().put("ctrlr", socket).put("dev_name", bdev);
        params.put("packed_ring", spec.truth("packed", true));
        if (spec.values.containsKey("queues")) {
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

    private Call ramDisk(String kind, String name) {
        checkKeys(MALLOC_KEYS);
        int blockSize = blockSize(DEFAULT_BLOCK_SIZE);
        long bytes = size(required("size", Sizes.ACCEPTED));
        if (bytes % blockSize != 0) {
            throw wrong("size=" + values.get("size") + ": expected a multiple of the block size " + blockSize);
        }
        ObjectNode params = object()
                .put("name", name)
                .put("block_size", blockSize)
                .put("num_blocks", bytes / blockSize);
        copy("uuid", params);
        return new Call("bdev_" + kind + "_create", params);
    }

    private Call fileDisk(String name) {
        checkKeys(FILE_KEYS);
        ObjectNode params = object().put("name", name).put("filename", required("path", "a file or block device"));
        if (values.containsKey("block-size")) {
            params.put("block_size", blockSize(0));
        }
        if (truth("direct", false)) {
            params.put("direct", true);
        }
        if (truth("readonly", false)) {
            params.put("readonly", true);
        }
        copy("uuid", params);
        return new Call("bdev_uring_create", params);
    }

    /**
     * Takes the {@code key=value} pairs behind the first comma, and returns what is before it. A comma within a value
     * is written twice, as QEMU wants it.
     */
    private String split(String text) {
        String[] parts = text.replace(",,", COMMA).split(",", -1);
        for (int i = 0; i < parts.length; i++) {
            parts[i] = parts[i].replace(COMMA, ",");
        }
        for (int i = 1; i < parts.length; i++) {
            int equals = parts[i].indexOf('=');
            if (equals < 1) {
                throw wrong("'" + parts[i] + "': expected key=value");
            }
            if (values.put(parts[i].substring(0, equals), parts[i].substring(equals + 1)) != null) {
                throw wrong(parts[i].substring(0, equals) + " is given twice");
            }
        }
        return parts[0];
    }

    private void checkKeys(List<String> known) {
        for (String key : values.keySet()) {
            if (!known.contains(key)) {
                throw wrong("unknown key " + key + ": expected one of " + String.join(", ", known));
            }
        }
    }

    private String required(String key, String accepted) {
        String value = values.get(key);
        if (value == null || value.isEmpty()) {
            throw wrong(key + " is missing: expected " + key + "= and " + accepted);
        }
        return value;
    }

    private boolean truth(String key, boolean absent) {
        String value = values.get(key);
        if (value == null) {
            return absent;
        }
        return switch (value) {
            case "on", "true", "yes" -> true;
            case "off", "false", "no" -> false;
            default -> throw wrong(key + "=" + value + ": expected on or off");
        };
    }

    private int number(String key, int min, int max) {
        String value = values.get(key);
        try {
            int number = Integer.parseInt(value);
            if (number >= min && number <= max) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw wrong(key + "=" + value + ": expected a number from " + min + " to " + max);
    }

    private int blockSize(int absent) {
        String value = values.get("block-size");
        if (value == null) {
            return absent;
        }
        return switch (value) {
            case "512" -> 512;
            case "4096", "4k", "4K" -> 4096;
            default -> throw wrong("block-size=" + value + ": expected 512 or 4096");
        };
    }

    private long size(String value) {
        try {
            return Sizes.parse(value);
        } catch (NumberFormatException e) {
            throw wrong("size=" + value + ": expected " + Sizes.ACCEPTED);
        }
    }

    private void copy(String key, ObjectNode params) {
        if (values.containsKey(key)) {
            params.put(key, values.get(key));
        }
    }

    private static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    private UsageException wrong(String why) {
        return new UsageException(option + " " + given + ": " + why);
    }
}
