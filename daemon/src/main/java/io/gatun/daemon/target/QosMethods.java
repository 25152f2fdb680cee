package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.UINT64;
import static io.gatun.daemon.rpc.Param.optional;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import io.gatun.bdev.RateLimit;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import java.util.List;

/**
 * The method that limits what is asked of a disk. A limit is shared by all controllers and queues of the disk, and
 * holds from the next burst on.
 */
final class QosMethods {
    private static final long MAX_MEBIBYTES = Long.MAX_VALUE >> 20;

    private QosMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "bdev_set_qos_limit",
                RUNTIME,
                "Limits a disk's requests and bytes per second; what is not named stays as it is.",
                List.of(
                        BdevMethods.NAME,
                        optional("rw_ios_per_sec", UINT64, "Requests; 0 is unlimited."),
                        optional("rw_mbytes_per_sec", UINT64, "MiB read and written; 0 is unlimited."),
                        optional("r_mbytes_per_sec", UINT64, "MiB read; 0 is unlimited."),
                        optional("w_mbytes_per_sec", UINT64, "MiB written; 0 is unlimited.")),
                QosMethods::set);
    }

    private static JsonNode set(Target target, Arguments arguments) {
        Disk disk = target.disk(arguments.string("name"));
        long[] limits = disk.limits.clone();
        boolean named = false;
        for (int i = 0; i < limits.length; i++) {
            named |= arguments.has(Disk.LIMITS[i]);
            limits[i] = arguments.number(Disk.LIMITS[i], limits[i]);
            if (i > 0 && limits[i] > MAX_MEBIBYTES) {
                throw RpcException.errno(
                        Errno.EINVAL, Disk.LIMITS[i] + "=" + limits[i] + ": expected 0 to " + MAX_MEBIBYTES);
            }
        }
        if (!named) {
            throw new RpcException(-Errno.EINVAL, "No rate limits specified");
        }
        System.arraycopy(limits, 0, disk.limits, 0, limits.length);
        disk.rateLimit = rateLimit(limits);
        for (Controller controller : target.controllers().values()) {
            if (controller.disk().equals(disk)) {
                controller.device().limit(disk.rateLimit);
            }
        }
        return BooleanNode.TRUE;
    }

    private static RateLimit rateLimit(long[] limits) {
        boolean limited = (limits[0] | limits[1] | limits[2] | limits[3]) != 0;
        return limited ? new RateLimit(limits[0], limits[1] << 20, limits[2] << 20, limits[3] << 20) : null;
    }
}
