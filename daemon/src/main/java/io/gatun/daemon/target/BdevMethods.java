package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.INT32;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.Type.UINT64;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.bdev.NullBdev;
import io.gatun.bdev.NullOptions;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;

/** Methods that make and remove the disks that need no file: RAM disks and null disks. */
final class BdevMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private BdevMethods() {}

    static final Param NAME = required("name", STRING, "Name of the disk.");

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "bdev_malloc_create",
                RUNTIME,
                "Makes a disk in RAM; memory is taken as it is written.",
                List.of(
                        optional("name", STRING, "Name of the disk (MallocN)."),
                        required("block_size", UINT32, "512 or 4096 bytes."),
                        required("num_blocks", UINT64, "How many blocks."),
                        optional("uuid", Param.Type.UUID, "Its UUID (a random one)."),
                        optional("physical_block_size", UINT32, "What is told to guests (block_size)."),
                        optional("optimal_io_boundary", UINT32, "Accepted; RAM has none."),
                        optional("md_size", UINT32, "Metadata per block: only 0."),
                        optional("md_interleave", BOOLEAN, "Only false."),
                        optional("dif_type", INT32, "Protection information: only 0."),
                        optional("dif_is_head_of_md", BOOLEAN, "Only false."),
                        optional("dif_pi_format", UINT32, "Only 0."),
                        optional("numa_id", INT32, "Only -1, any node.")),
                BdevMethods::createMalloc);
        registry.add(
                "bdev_null_create",
                RUNTIME,
                "Makes a disk that forgets writes and reads as it was: a measure of everything but a medium.",
                List.of(
                        NAME,
                        required("block_size", UINT32, "512 or 4096 bytes."),
                        required("num_blocks", UINT64, "How many blocks."),
                        optional("uuid", Param.Type.UUID, "Its UUID (a random one)."),
                        optional("physical_block_size", UINT32, "What is told to guests (block_size)."),
                        optional("md_size", UINT32, "Metadata per block: only 0."),
                        optional("dif_type", INT32, "Protection information: only 0."),
                        optional("dif_pi_format", UINT32, "Only 0."),
                        optional("dif_is_head_of_md", BOOLEAN, "Only false."),
                        optional("preferred_write_granularity", UINT32, "Accepted; nothing is preferred."),
                        optional("preferred_write_alignment", UINT32, "Accepted; nothing is preferred."),
                        optional("optimal_write_size", UINT32, "Accepted; nothing is preferred."),
                        optional("preferred_unmap_granularity", UINT32, "Accepted; nothing is preferred."),
                        optional("preferred_unmap_alignment", UINT32, "Accepted; nothing is preferred.")),
                BdevMethods::createNull);
        addDelete(registry, "malloc", "Removes a RAM disk and its contents.");
        addDelete(registry, "null", "Removes a null disk.");
        registry.add(
                "bdev_null_resize",
                RUNTIME,
                "Makes a null disk larger; guests learn of it.",
                List.of(NAME, required("new_size", UINT64, "MiB.")),
                BdevMethods::resizeNull);
    }

    static void addDelete(MethodRegistry<Target> registry, String kind, String description) {
        registry.add("bdev_" + kind + "_delete", RUNTIME, description, List.of(NAME), (target, arguments) -> {
            target.remove(arguments.string("name"), createMethod(kind));
            return BooleanNode.TRUE;
        });
    }

    static String createMethod(String kind) {
        return "bdev_" + kind + "_create";
    }

    private static JsonNode createMalloc(Target target, Arguments arguments) {
        checkUnsupported(arguments);
        String name = arguments.string("name", nextName(target));
        target.checkFree(name);
        UUID uuid = uuid(arguments);
        return create(() -> {
            MallocOptions options = new MallocOptions(
                    name,
                    uuid,
                    blockSize(arguments),
                    physicalBlockSize(arguments),
                    arguments.number("num_blocks", 0),
                    false);
            ObjectNode parameters = JSON.objectNode()
                    .put("name", name)
                    .put("num_blocks", options.blockCount())
                    .put("block_size", options.blockSizeBytes())
                    .put("physical_block_size", options.physicalBlockSizeBytes())
                    .put("uuid", uuid.toString());
            MallocBdev bdev = MallocBdev.create(options);
            return add(target, new Disk(
                    bdev, createMethod("malloc"), "Malloc disk", parameters, JSON.objectNode()));
        });
    }

    private static JsonNode createNull(Target target, Arguments arguments) {
        checkUnsupported(arguments);
        String name = arguments.string("name");
        target.checkFree(name);
        UUID uuid = uuid(arguments);
        return create(() -> {
            NullOptions options = new NullOptions(
                    name, uuid, blockSize(arguments), physicalBlockSize(arguments), arguments.number("num_blocks", 0));
            ObjectNode parameters = JSON.objectNode()
                    .put("name", name)
                    .put("num_blocks", options.blockCount())
                    .put("block_size", options.blockSizeBytes())
                    .put("physical_block_size", options.physicalBlockSizeBytes())
                    .put("uuid", uuid.toString());
            NullBdev bdev = NullBdev.create(options);
            return add(target, new Disk(bdev, createMethod("null"), "Null disk", parameters, JSON.objectNode()));
        });
    }

    private static JsonNode resizeNull(Target target, Arguments arguments) {
        Disk disk = target.disk(arguments.string("name"));
        if (!(disk.bdev instanceof NullBdev device)) {
            throw RpcException.errno(Errno.ENODEV, disk.name() + " is not a null disk");
        }
        long mebibytes = arguments.number("new_size", 0);
        if (mebibytes > Long.MAX_VALUE >> 20 || mebibytes << 20 < device.capacityBytes()) {
            throw RpcException.errno(
                    Errno.EINVAL, "new_size=" + mebibytes + ": expected at least " + (device.capacityBytes() >> 20));
        }
        return create(() -> {
            long blocks = (mebibytes << 20) / device.blockSizeBytes();
            device.resize(blocks);
            disk.parameters.put("num_blocks", blocks);
            return BooleanNode.TRUE;
        });
    }

    static JsonNode add(Target target, Disk disk) {
        target.add(disk);
        return TextNode.valueOf(disk.name());
    }

    /** Runs what makes a device, and turns its refusals into what a caller of the method is told. */
    static JsonNode create(Supplier<JsonNode> making) {
        try {
            return making.get();
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, e.getMessage());
        } catch (LinuxException e) {
            throw RpcException.errno(e.errno(), e.getMessage());
        }
    }

    static UUID uuid(Arguments arguments) {
        UUID uuid = arguments.uuid("uuid");
        return uuid == null ? UUID.randomUUID() : uuid;
    }

    private static int blockSize(Arguments arguments) {
        // What does not fit an int is none of the sizes that are accepted, and neither is what it is cut to.
        return (int) Math.min(arguments.number("block_size", 0), Integer.MAX_VALUE);
    }

    private static int physicalBlockSize(Arguments arguments) {
        long given = arguments.number("physical_block_size", 0);
        return given == 0 ? blockSize(arguments) : (int) Math.min(given, Integer.MAX_VALUE);
    }

    /** SPDK writes these into every configuration, as 0; another value asks for what Gatun does not have. */
    private static void checkUnsupported(Arguments arguments) {
        for (String name : List.of("md_size", "dif_type", "dif_pi_format")) {
            if (arguments.number(name, 0) != 0) {
                throw RpcException.errno(
                        Errno.EINVAL,
                        name + "=" + arguments.number(name, 0) + ": metadata is not supported; expected 0");
            }
        }
    }

    private static String nextName(Target target) {
        int number = 0;
        while (target.findDisk("Malloc" + number) != null) {
            number++;
        }
        return "Malloc" + number;
    }

    /** The calls that recreate all disks and their limits. */
    static JsonNode config(Target target) {
        ArrayNode calls = JSON.arrayNode();
        NvmeMethods.addConfig(target, calls);
        for (Disk disk : target.disks()) {
            if (disk.parameters != null) {
                calls.addObject().put("method", disk.method).set("params", disk.parameters);
            }
            ObjectNode limits = JSON.objectNode();
            for (int i = 0; i < Disk.LIMITS.length; i++) {
                if (disk.limits[i] != 0) {
                    limits.put(Disk.LIMITS[i], disk.limits[i]);
                }
            }
            if (!limits.isEmpty()) {
                calls.addObject()
                        .put("method", "bdev_set_qos_limit")
                        .set("params", limits.put("name", disk.name()));
            }
        }
        calls.addObject().put("method", "bdev_wait_for_examine");
        return calls;
    }
}
