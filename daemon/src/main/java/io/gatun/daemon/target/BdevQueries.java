package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.optional;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevRequest;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** Methods that tell what disks there are. */
final class BdevQueries {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    /** What SPDK lists for every disk and no disk of ours can do. */
    private static final List<String> NEVER = List.of(
            "nvme_admin",
            "nvme_io",
            "nvme_io_md",
            "zcopy",
            "get_zone_info",
            "zone_management",
            "zone_append",
            "compare",
            "compare_and_write",
            "abort",
            "seek_hole",
            "seek_data",
            "copy",
            "nvme_iov_md");

    private BdevQueries() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.addLater(
                "bdev_get_bdevs",
                RUNTIME,
                "Describes the disks.",
                List.of(
                        optional("name", Param.Type.STRING, "Only this disk, by name or UUID."),
                        optional("timeout", Param.Type.UINT64, "Milliseconds to wait for it to appear (0).")),
                BdevQueries::bdevs);
        registry.add(
                "bdev_wait_for_examine",
                RUNTIME,
                "Answers when all disks have been looked at: at once.",
                List.of(),
                (_, _) -> BooleanNode.TRUE);
    }

    private static CompletionStage<JsonNode> bdevs(Target target, Arguments arguments) {
        String name = arguments.string("name");
        if (name == null) {
            ArrayNode all = JSON.arrayNode();
            target.disks().forEach(disk -> all.add(describe(disk, target.isClaimed(disk))));
            return CompletableFuture.completedFuture(all);
        }
        long timeout = arguments.number("timeout", 0);
        if (timeout == 0) {
            Disk disk = target.disk(name);
            return CompletableFuture.completedFuture(JSON.arrayNode().add(describe(disk, target.isClaimed(disk))));
        }
        CompletableFuture<Disk> there = target.whenThere(name);
        // A completion on the timer's thread says only that nothing came; the other completions are the target's own.
        return there.completeOnTimeout(null, timeout, TimeUnit.MILLISECONDS).thenApply(disk -> {
            if (disk == null) {
                throw RpcException.errno(Errno.ENODEV, "no bdev called " + name + " within " + timeout + " ms");
            }
            return JSON.arrayNode().add(describe(disk, target.isClaimed(disk)));
        });
    }

    private static ObjectNode describe(Disk disk, boolean claimed) {
        Bdev bdev = disk.bdev;
        ObjectNode entry = JSON.objectNode().put("name", bdev.name());
        entry.putArray("aliases").add(bdev.uuid().toString());
        entry.put("product_name", disk.productName)
                .put("block_size", bdev.blockSizeBytes())
                .put("physical_block_size", bdev.physicalBlockSizeBytes())
                .put("num_blocks", bdev.blockCount())
                .put("uuid", bdev.uuid().toString());
        ObjectNode limits = entry.putObject("assigned_rate_limits");
        for (int i = 0; i < Disk.LIMITS.length; i++) {
            limits.put(Disk.LIMITS[i], disk.limits[i]);
        }
        entry.put("claimed", claimed).put("zoned", false).put("write_cache", bdev.writeCache());
        ObjectNode operations = entry.putObject("supported_io_types");
        operations
                .put("read", bdev.supports(BdevRequest.READ))
                .put("write", !bdev.readOnly() && bdev.supports(BdevRequest.WRITE))
                .put("unmap", !bdev.readOnly() && bdev.supports(BdevRequest.DISCARD))
                .put("flush", bdev.supports(BdevRequest.FLUSH))
                .put("reset", true)
                .put("write_zeroes", !bdev.readOnly() && bdev.supports(BdevRequest.WRITE_ZEROES));
        NEVER.forEach(operation -> operations.put(operation, false));
        entry.set("driver_specific", disk.specific);
        return entry;
    }
}
