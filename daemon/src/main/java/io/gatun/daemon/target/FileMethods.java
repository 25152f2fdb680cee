package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.FileBdev;
import io.gatun.bdev.FileOptions;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

/**
 * Methods that make disks of files and block devices. SPDK has two kinds, by Linux AIO and by io_uring; here both names
 * make the same disk on io_uring, so that configurations for either can be loaded.
 */
final class FileMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final int DEFAULT_BLOCK_SIZE = 512;

    private FileMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        Param name = BdevMethods.NAME;
        Param filename = required("filename", STRING, "Path of a file or block device that exists.");
        Param blockSize = optional("block_size", UINT32, "512 or 4096 bytes (512).");
        Param readonly = optional("readonly", BOOLEAN, "Open it for reading only (false).");
        Param direct = optional("direct", BOOLEAN, "Bypass the page cache (false).");
        Param uuid = optional("uuid", Param.Type.UUID, "Its UUID (a random one).");
        registry.add(
                "bdev_aio_create",
                RUNTIME,
                "Makes a disk of a file or block device.",
                List.of(
                        name,
                        filename,
                        blockSize,
                        readonly,
                        direct,
                        uuid,
                        optional("fallocate", BOOLEAN, "Accepted; discards always use fallocate."),
                        optional("nowait", BOOLEAN, "Accepted; requests never block a reactor.")),
                (target, arguments) -> createAio(target, arguments));
        registry.add(
                "bdev_uring_create",
                RUNTIME,
                "Makes a disk of a file or block device.",
                List.of(name, filename, blockSize, readonly, direct, uuid),
                (target, arguments) -> createUring(target, arguments));
        for (String kind : List.of("aio", "uring")) {
            BdevMethods.addDelete(registry, kind, "Removes a disk; the file stays.");
            registry.add(
                    "bdev_" + kind + "_rescan",
                    RUNTIME,
                    "Measures the file again; guests learn of a new size.",
                    List.of(name),
                    FileMethods::rescan);
        }
    }

    private static JsonNode createAio(Target target, Arguments arguments) {
        target.checkFree(arguments.string("name"));
        return BdevMethods.create(() -> create(target, arguments, "aio", "AIO disk"));
    }

    private static JsonNode createUring(Target target, Arguments arguments) {
        target.checkFree(arguments.string("name"));
        try {
            return create(target, arguments, "uring", "URING bdev");
        } catch (IllegalArgumentException | LinuxException e) {
            // SPDK has one answer for every reason.
            throw new RpcException(RpcException.INTERNAL_ERROR, "Unable to create URING bdev. " + e.getMessage());
        }
    }

    private static JsonNode create(Target target, Arguments arguments, String kind, String productName) {
        UUID uuid = BdevMethods.uuid(arguments);
        long blockSize = arguments.number("block_size", DEFAULT_BLOCK_SIZE);
        // A configuration must mean the same file wherever it is loaded from.
        Path path = Path.of(arguments.string("filename")).toAbsolutePath();
        FileOptions options = new FileOptions(
                arguments.string("name"),
                uuid,
                path,
                (int) Math.min(blockSize == 0 ? DEFAULT_BLOCK_SIZE : blockSize, Integer.MAX_VALUE),
                arguments.bool("direct", false),
                arguments.bool("readonly", false));
        ObjectNode parameters = JSON.objectNode()
                .put("name", options.name())
                .put("filename", path.toString())
                .put("block_size", options.blockSizeBytes())
                .put("readonly", options.readOnly())
                .put("direct", options.direct())
                .put("uuid", uuid.toString());
        FileBdev bdev = FileBdev.open(options);
        ObjectNode specific = JSON.objectNode();
        specific.putObject(kind)
                .put("filename", path.toString())
                .put("readonly", options.readOnly())
                .put("direct", options.direct())
                .put("io_uring", bdev.usesRing());
        String method = BdevMethods.createMethod(kind);
        return BdevMethods.add(target, new Disk(bdev, method, productName, parameters, specific));
    }

    private static JsonNode rescan(Target target, Arguments arguments) {
        Disk disk = target.disk(arguments.string("name"));
        if (!(disk.bdev instanceof FileBdev file)) {
            throw RpcException.errno(Errno.ENODEV, disk.name() + " is not a file");
        }
        return BdevMethods.create(() -> {
            file.rescan();
            return BooleanNode.TRUE;
        });
    }
}
