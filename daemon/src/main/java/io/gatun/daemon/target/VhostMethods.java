package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.VhostUserBackend;
import io.gatun.vhostuser.VringStatus;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * Methods that put disks behind vhost-user sockets. As in SPDK, a controller's socket is at its name, under the
 * directory that serve was given where the name is not an absolute path; and failures have the code of invalid
 * parameters, whatever they are.
 */
final class VhostMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String TRANSPORT = "vhost_user_blk";
    private static final int DEFAULT_QUEUES = 64;
    private static final int SERIAL_LENGTH = 20;

    private VhostMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "vhost_create_blk_controller",
                RUNTIME,
                "Serves a disk at a vhost-user socket.",
                List.of(
                        required("ctrlr", STRING, "Name: the path of the socket."),
                        required("dev_name", STRING, "The disk."),
                        optional("readonly", BOOLEAN, "Refuse writes (false)."),
                        optional("packed_ring", BOOLEAN, "Offer packed rings (false)."),
                        optional("cpumask", STRING, "Only reactors on these processors (all)."),
                        optional("transport", STRING, "Only " + TRANSPORT + "."),
                        optional("num_queues", UINT32, "Most queues a guest may use, 1 to 256 (64)."),
                        optional("connect", BOOLEAN, "Connect to a front-end that listens (false)."),
                        optional("serial", STRING, "Serial number that guests see (the disk's name).")),
                VhostMethods::create);
        registry.addLater(
                "vhost_delete_controller",
                RUNTIME,
                "Ends a controller: its guest's last requests are finished, its socket is removed.",
                List.of(required("ctrlr", STRING, "Name of the controller.")),
                VhostMethods::delete);
        registry.add(
                "vhost_get_controllers",
                RUNTIME,
                "Describes the controllers, their sessions and queues.",
                List.of(optional("name", STRING, "Only this controller.")),
                VhostMethods::controllers);
        registry.add(
                "vhost_controller_set_coalescing",
                RUNTIME,
                "Sets how interrupts to the guest are held back: Gatun sends one per burst, and none later.",
                List.of(
                        required("ctrlr", STRING, "Name of the controller."),
                        required("delay_base_us", UINT32, "Microseconds: only 0."),
                        required("iops_threshold", UINT32, "Requests per second from which on it would apply.")),
                VhostMethods::setCoalescing);
    }

    private static JsonNode create(Target target, Arguments arguments) {
        String name = arguments.string("ctrlr");
        if (name.isEmpty()) {
            throw failure(Errno.EINVAL, "ctrlr is empty: expected the path of a socket");
        }
        if (target.controllers().containsKey(name)) {
            throw failure(Errno.EEXIST, "a controller is called " + name + " already");
        }
        String transport = arguments.string("transport", TRANSPORT);
        if (!transport.equals(TRANSPORT)) {
            throw failure(Errno.EINVAL, "transport=" + transport + ": expected " + TRANSPORT);
        }
        Disk disk = target.findDisk(arguments.string("dev_name"));
        if (disk == null) {
            throw failure(Errno.ENODEV, target.noDisk(arguments.string("dev_name")));
        }
        List<Reactor> reactors = arguments.has("cpumask")
                ? CpuMask.select(target.reactors(), arguments.string("cpumask"))
                : target.reactors();
        boolean connect = arguments.bool("connect", false);
        VirtioBlkDevice device = device(disk, arguments);
        device.limit(disk.rateLimit);
        VhostUserBackend backend;
        try {
            Path socket = target.settings().vhostDirectory().resolve(name);
            backend = connect
                    ? VhostUserBackend.connect(target.loop(), socket, device, reactors, target.settings().backend())
                    : VhostUserBackend.listen(target.loop(), socket, device, reactors, target.settings().backend());
        } catch (LinuxException e) {
            throw failure(e.errno(), e.getMessage());
        } catch (InvalidPathException e) {
            throw failure(Errno.EINVAL, "ctrlr=" + name + ": " + e.getReason());
        }
        ObjectNode parameters = JSON.objectNode()
                .put("ctrlr", name)
                .put("dev_name", disk.name())
                .put("readonly", device.options().readOnly())
                .put("packed_ring", device.options().packed())
                .put("num_queues", device.options().queues())
                .put("serial", device.options().serial());
        if (arguments.has("cpumask")) {
            parameters.put("cpumask", arguments.string("cpumask"));
        }
        if (connect) {
            parameters.put("connect", true);
        }
        String cpumask = CpuMask.of(reactors);
        target.controllers().put(name, new Controller(name, disk, device, backend, cpumask, parameters));
        return BooleanNode.TRUE;
    }

    private static VirtioBlkDevice device(Disk disk, Arguments arguments) {
        String serial = arguments.string("serial", defaultSerial(disk.name()));
        try {
            int queues = (int) Math.min(arguments.number("num_queues", DEFAULT_QUEUES), Integer.MAX_VALUE);
            return new VirtioBlkDevice(disk.bdev, VirtioBlkOptions.DEFAULTS
                    .withQueues(queues)
                    .withReadOnly(arguments.bool("readonly", false))
                    .withPacked(arguments.bool("packed_ring", false))
                    .withSerial(serial));
        } catch (IllegalArgumentException e) {
            throw failure(Errno.EINVAL, e.getMessage());
        }
    }

    /** The disk's name as far as a serial number can carry it. */
    private static String defaultSerial(String name) {
        String printable = name.replaceAll("[^ -~]", "?");
        return printable.substring(0, Math.min(printable.length(), SERIAL_LENGTH));
    }

    private static CompletionStage<JsonNode> delete(Target target, Arguments arguments) {
        Controller controller = find(target, arguments.string("ctrlr"));
        if (target.isLeaving(controller)) {
            throw failure(Errno.EBUSY, controller.name() + " is being deleted already; its guest's requests take long");
        }
        return target.remove(controller).thenApply(_ -> BooleanNode.TRUE);
    }

    private static JsonNode setCoalescing(Target target, Arguments arguments) {
        find(target, arguments.string("ctrlr"));
        if (arguments.number("iops_threshold", 0) == 0) {
            throw failure(Errno.EINVAL, "iops_threshold=0: expected more than 0");
        }
        if (arguments.number("delay_base_us", 0) != 0) {
            throw failure(
                    Errno.EINVAL,
                    "delay_base_us=" + arguments.number("delay_base_us", 0)
                            + ": expected 0; a guest is signalled once per burst, and EVENT_IDX lets it ask for fewer");
        }
        return BooleanNode.TRUE;
    }

    private static JsonNode controllers(Target target, Arguments arguments) {
        ArrayNode list = JSON.arrayNode();
        String name = arguments.string("name");
        if (name == null) {
            target.controllers().values().forEach(controller -> list.add(describe(controller)));
        } else {
            Controller controller = target.controllers().get(name);
            if (controller == null) {
                // Here, and only here, SPDK answers with another code.
                throw RpcException.withCode(
                        RpcException.INTERNAL_ERROR, Errno.ENODEV, "no controller is called " + name);
            }
            list.add(describe(controller));
        }
        return list;
    }

    private static ObjectNode describe(Controller controller) {
        VhostUserBackend backend = controller.backend();
        ObjectNode entry = JSON.objectNode()
                .put("ctrlr", controller.name())
                .put("cpumask", "0x" + controller.cpumask())
                .put("delay_base_us", 0)
                .put("iops_threshold", 60_000)
                .put("socket", backend.socket().toString());
        List<VringStatus> rings = backend.rings();
        ArrayNode sessions = entry.putArray("sessions");
        if (backend.connected()) {
            sessions.addObject()
                    .put("vid", 0)
                    .put("id", 0)
                    .put("name", controller.name())
                    .put("started", rings.stream().anyMatch(VringStatus::started))
                    .put("max_queues", rings.stream().filter(VringStatus::started).count())
                    .put("inflight_task_cnt", 0);
        }
        entry.putObject("backend_specific")
                .putObject("block")
                .put("readonly", controller.device().readOnly())
                .put("bdev", controller.disk().name())
                .put("transport", TRANSPORT);
        ArrayNode queues = entry.putArray("queues");
        for (VringStatus ring : rings) {
            if (ring.started() || ring.counters().starts() > 0) {
                queues.add(describe(ring, controller));
            }
        }
        return entry;
    }

    private static ObjectNode describe(VringStatus ring, Controller controller) {
        Counts counts = new Counts().add(controller.device().counters().get(ring.index()));
        return describe(ring, JSON.objectNode())
                .put("reads", counts.reads)
                .put("bytes_read", counts.readBytes)
                .put("writes", counts.writes)
                .put("bytes_written", counts.writeBytes)
                .put("errors", counts.errors + counts.refused);
    }

    /** What there is to say about a ring of any device. */
    static ObjectNode describe(VringStatus ring, ObjectNode entry) {
        return entry.put("index", ring.index())
                .put("size", ring.size())
                .put("packed", ring.packed())
                .put("started", ring.started())
                .put("enabled", ring.enabled())
                .put("reactor", ring.reactor())
                .put("broken", ring.broken())
                .put("chains", ring.counters().chains())
                .put("publishes", ring.counters().publishes())
                .put("kicks", ring.counters().kicks())
                .put("calls", ring.counters().calls());
    }

    private static Controller find(Target target, String name) {
        Controller controller = target.controllers().get(name);
        if (controller == null) {
            throw failure(Errno.ENODEV, "no controller is called " + name);
        }
        return controller;
    }

    private static RpcException failure(int errno, String what) {
        return RpcException.withCode(RpcException.INVALID_PARAMS, errno, what);
    }

    /** The calls that recreate all controllers. */
    static JsonNode config(Target target) {
        ArrayNode calls = JSON.arrayNode();
        for (Controller controller : target.controllers().values()) {
            if (target.isLeaving(controller)) {
                continue;
            }
            calls.addObject().put("method", "vhost_create_blk_controller").set("params", controller.parameters());
        }
        return calls;
    }
}
