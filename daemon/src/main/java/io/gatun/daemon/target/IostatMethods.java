package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.virtio.BlkCounters;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.nvme.bdev.NvmeBdev;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/** Methods that count what was done to disks. A channel is a queue of a controller. */
final class IostatMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final List<String> RESET_MODES = List.of("all", "maxmin", "error", "none");

    private IostatMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "bdev_get_iostat",
                RUNTIME,
                "Counts the requests and bytes of disks since they were made.",
                List.of(
                        Param.optional("names", Param.Type.STRINGS, "Only these disks; otherwise all."),
                        Param.optional("per_channel", Param.Type.BOOLEAN, "Each queue apart; for one disk."),
                        Param.choice("reset_mode", RESET_MODES, "What starts again from 0 afterwards (none).")),
                IostatMethods::iostat);
        registry.add(
                "bdev_reset_iostat",
                RUNTIME,
                "Lets the counts of disks start again from 0.",
                List.of(
                        Param.optional("name", Param.Type.STRING, "Only this disk; otherwise all."),
                        Param.choice("mode", RESET_MODES, "What starts again (all).")),
                IostatMethods::reset);
    }

    private static JsonNode iostat(Target target, Arguments arguments) {
        Collection<Disk> disks = select(target, arguments.strings("names"));
        boolean perChannel = arguments.bool("per_channel", false);
        if (perChannel && disks.size() != 1) {
            throw RpcException.errno(Errno.EINVAL, "per_channel needs exactly one name");
        }
        ObjectNode answer = JSON.objectNode()
                .put("tick_rate", FrameworkMethods.TICK_RATE)
                .put("ticks", System.nanoTime());
        boolean resets = arguments.string("reset_mode", "none").equals("all");
        if (perChannel) {
            Disk disk = disks.iterator().next();
            answer.put("name", disk.name());
            channels(target, disk, answer.putArray("channels"));
            if (resets) {
                forget(disk, counts(target, disk), errors(disk));
            }
        } else {
            ArrayNode list = answer.putArray("bdevs");
            for (Disk disk : disks) {
                Counts counts = counts(target, disk);
                Map<Integer, Long> errors = errors(disk);
                ObjectNode described = new Counts()
                        .add(counts, 1)
                        .add(disk.forgotten, -1)
                        .writeTo(list.addObject().put("name", disk.name()));
                if (disk.bdev instanceof NvmeBdev) {
                    described
                            .putObject("driver_specific")
                            .set("nvme_error", NvmeErrors.counts(errors, disk.forgottenErrors));
                }
                if (resets) {
                    // What was answered, and no more: what came since is in the next answer.
                    forget(disk, counts, errors);
                }
            }
        }
        return answer;
    }

    private static Map<Integer, Long> errors(Disk disk) {
        return disk.bdev instanceof NvmeBdev bdev ? NvmeErrors.of(bdev) : Map.of();
    }

    private static void forget(Disk disk, Counts counts, Map<Integer, Long> errors) {
        disk.forgotten = counts;
        disk.forgottenErrors = errors;
    }

    private static JsonNode reset(Target target, Arguments arguments) {
        String name = arguments.string("name");
        if (arguments.string("mode", "all").equals("all")) {
            select(target, name == null ? null : List.of(name))
                    .forEach(disk -> forget(disk, counts(target, disk), errors(disk)));
        }
        return BooleanNode.TRUE;
    }

    private static Collection<Disk> select(Target target, List<String> names) {
        return names == null
                ? new ArrayList<>(target.disks())
                : names.stream().map(target::disk).toList();
    }

    private static void channels(Target target, Disk disk, ArrayNode list) {
        for (Controller controller : target.controllers().values()) {
            if (!controller.disk().equals(disk)) {
                continue;
            }
            List<BlkCounters> queues = controller.device().counters();
            for (int queue = 0; queue < queues.size(); queue++) {
                String reactor = controller.backend().rings().get(queue).reactor();
                ObjectNode channel = list.addObject()
                        .put("thread_id", threadId(target, reactor))
                        .put("ctrlr", controller.name())
                        .put("queue", queue);
                new Counts().add(queues.get(queue)).writeTo(channel);
            }
        }
    }

    private static int threadId(Target target, String reactor) {
        for (int i = 0; i < target.reactors().size(); i++) {
            if (target.reactors().get(i).name().equals(reactor)) {
                return i + 1;
            }
        }
        return 0;
    }

    /** Everything that was done to the disk, through controllers that are gone too. */
    static Counts counts(Target target, Disk disk) {
        Counts sum = new Counts().add(disk.earlier, 1);
        for (Controller controller : target.controllers().values()) {
            if (controller.disk().equals(disk)) {
                controller.device().counters().forEach(sum::add);
            }
        }
        return sum;
    }
}
