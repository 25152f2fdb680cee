package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeException;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.vfio.PciAddress;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/** Methods that take NVMe drives and give them back; a drive's namespaces are disks. Only drives on PCI are known. */
final class NvmeMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String ATTACH = "bdev_nvme_attach_controller";
    private static final String PCIE = "PCIe";

    private NvmeMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        Param name = required("name", STRING, "Name of the drive.");
        Param traddr = required("traddr", STRING, "PCI address, as gatun nvme list shows it.");
        registry.addLater(
                ATTACH,
                RUNTIME,
                "Takes a drive that is with vfio-pci or uio_pci_generic; its namespaces become disks.",
                List.of(
                        name,
                        required("trtype", STRING, "PCIe."),
                        traddr,
                        optional("num_io_queues", UINT32, "Queue pairs at most, one for each reactor (as many).")),
                NvmeMethods::attach);
        registry.addLater(
                "bdev_nvme_detach_controller",
                RUNTIME,
                "Shuts a drive down and gives it back; its disks go.",
                List.of(
                        name,
                        optional("trtype", STRING, "PCIe."),
                        optional("traddr", STRING, "Only if this is its PCI address.")),
                NvmeMethods::detach);
        registry.add(
                "bdev_nvme_get_controllers",
                RUNTIME,
                "Describes the drives.",
                List.of(optional("name", STRING, "Only this drive.")),
                NvmeMethods::controllers);
        registry.addLater(
                "bdev_nvme_reset_controller",
                RUNTIME,
                "Resets a drive, and answers when it works again; what is in flight is done again, nothing is lost.",
                List.of(name, optional("cntlid", UINT32, "Only if this is its controller's number.")),
                NvmeMethods::reset);
        registry.addLater(
                "bdev_nvme_get_controller_health_info",
                RUNTIME,
                "Tells how a drive is: warnings, temperature, wear, errors (SMART); and what failed as Gatun saw it.",
                List.of(name),
                NvmeMethods::health);
    }

    private static CompletionStage<JsonNode> attach(Target target, Arguments arguments) {
        String name = arguments.string("name");
        checkType(arguments.string("trtype"));
        PciAddress address = address(arguments.string("traddr"));
        for (NvmeDrives.Entry entry : target.nvme().all()) {
            if (entry.name.equals(name) || entry.address.equals(address)) {
                throw RpcException.errno(
                        Errno.EEXIST, "the drive at " + entry.address + " is attached as " + entry.name);
            }
        }
        NvmeOptions options = NvmeOptions.DEFAULTS.withIoQueues(queues(target, arguments));
        ObjectNode parameters =
                JSON.objectNode().put("name", name).put("trtype", PCIE).put("traddr", address.toString());
        if (arguments.has("num_io_queues")) {
            parameters.put("num_io_queues", options.ioQueues());
        }
        return told(target.nvme().attach(name, address, options, parameters).thenApply(drive -> {
            ArrayNode names = JSON.arrayNode();
            drive.bdevs().forEach(bdev -> names.add(bdev.name()));
            return names;
        }));
    }

    /** A namespace as a disk. */
    static Disk disk(NvmeBdev bdev) {
        return new Disk(bdev, ATTACH, "NVMe disk", null, specific(bdev));
    }

    private static int queues(Target target, Arguments arguments) {
        long asked = arguments.number("num_io_queues", target.reactors().size());
        if (asked < 1 || asked > 0xffff) {
            throw RpcException.errno(Errno.EINVAL, "num_io_queues=" + asked + ": expected 1 to 65535");
        }
        return (int) asked;
    }

    private static void checkType(String type) {
        if (type != null && !type.toUpperCase(Locale.ROOT).equals("PCIE")) {
            throw RpcException.errno(
                    Errno.EINVAL, "trtype=" + type + ": expected PCIe; drives behind a network are not supported");
        }
    }

    private static PciAddress address(String text) {
        try {
            return PciAddress.parse(text);
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, "traddr: " + e.getMessage());
        }
    }

    private static CompletionStage<JsonNode> detach(Target target, Arguments arguments) {
        NvmeDrives.Entry entry = entry(target, arguments);
        checkType(arguments.string("trtype"));
        String given = arguments.string("traddr");
        if (given != null && !address(given).equals(entry.address)) {
            throw RpcException.errno(Errno.ENODEV, entry.name + " is at " + entry.address);
        }
        for (Disk disk : entry.disks()) {
            if (target.isClaimed(disk)) {
                throw RpcException.errno(
                        Errno.EBUSY, disk.name() + " is served at a socket; delete its vhost controller first");
            }
        }
        return told(target.nvme().detach(entry).thenApply(_ -> BooleanNode.TRUE));
    }

    private static JsonNode controllers(Target target, Arguments arguments) {
        ArrayNode all = JSON.arrayNode();
        if (arguments.has("name")) {
            all.add(describe(entry(target, arguments).drive()));
        } else {
            attached(target).forEach(entry -> all.add(describe(entry.drive())));
        }
        return all;
    }

    private static ObjectNode describe(NvmeDrive drive) {
        NvmeController controller = drive.controller();
        ObjectNode described = JSON.objectNode().put("name", drive.name());
        ObjectNode only = described.putArray("ctrlrs").addObject();
        only.put("state", controller.isGone() ? "failed" : "enabled");
        only.set("trid", trid(controller));
        only.setAll(NvmeFacts.summary(controller));
        // Here too, where nothing is asked of a drive that may not answer.
        only.set("host_error_log", NvmeErrors.log(controller.hostErrors()));
        only.put("resets", controller.resets())
                .put("io_queues", controller.openQueueCount())
                .put("shadow_doorbells", controller.usesShadowDoorbells());
        ArrayNode namespaces = only.putArray("namespaces");
        for (NvmeBdev bdev : drive.bdevs()) {
            namespaces
                    .addObject()
                    .put("nsid", bdev.namespace().id())
                    .put("bdev", bdev.name())
                    .put("bounced_commands", bdev.bouncedCommands());
        }
        return described;
    }

    private static ObjectNode trid(NvmeController controller) {
        return JSON.objectNode().put("trtype", PCIE).put("traddr", controller.name());
    }

    /** As SPDK describes a namespace in {@code bdev_get_bdevs}. */
    private static ObjectNode specific(NvmeBdev bdev) {
        NvmeController controller = bdev.namespace().controller();
        ObjectNode specific = JSON.objectNode();
        ObjectNode path = specific.putArray("nvme").addObject();
        path.put("pci_address", controller.name());
        path.set("trid", trid(controller));
        path.set("ctrlr_data", NvmeFacts.summary(controller));
        path.putObject("vs").put("nvme_version", NvmeFacts.version(controller.version()));
        path.putObject("ns_data").put("id", bdev.namespace().id());
        return specific;
    }

    private static CompletionStage<JsonNode> reset(Target target, Arguments arguments) {
        NvmeDrives.Entry entry = entry(target, arguments);
        NvmeController controller = entry.drive().controller();
        if (arguments.has("cntlid")
                && arguments.number("cntlid", 0) != controller.data().controllerId()) {
            throw RpcException.errno(
                    Errno.ENODEV, "the controller's cntlid is " + controller.data().controllerId());
        }
        return told(target.nvme().reset(entry).thenApply(_ -> BooleanNode.TRUE));
    }

    private static CompletionStage<JsonNode> health(Target target, Arguments arguments) {
        return told(target.nvme().health(entry(target, arguments)));
    }

    /** The drive that is meant; its controller is neither being started nor stopped. */
    private static NvmeDrives.Entry entry(Target target, Arguments arguments) {
        String name = arguments.string("name");
        NvmeDrives.Entry entry = target.nvme().find(name);
        if (entry == null) {
            String known = target.nvme().all().isEmpty()
                    ? "none is attached"
                    : "expected one of "
                            + String.join(", ", target.nvme().all().stream().map(e -> e.name).toList());
            throw RpcException.errno(Errno.ENODEV, "no NVMe drive is called " + name + "; " + known);
        }
        if (entry.drive() == null) {
            throw RpcException.errno(Errno.EBUSY, name + " is just being attached or detached; try again");
        }
        return entry;
    }

    private static List<NvmeDrives.Entry> attached(Target target) {
        return target.nvme().all().stream().filter(entry -> entry.drive() != null).toList();
    }

    /** What a drive refuses, as what a caller of the method is told. */
    private static CompletionStage<JsonNode> told(CompletionStage<? extends JsonNode> answer) {
        return answer.handle((value, failure) -> {
            if (failure == null) {
                return value;
            }
            Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
            throw switch (cause) {
                case NvmeException e -> RpcException.errno(Errno.EIO, e.getMessage());
                case LinuxException e -> RpcException.errno(e.errno(), e.getMessage());
                case IllegalArgumentException e -> RpcException.errno(Errno.EINVAL, e.getMessage());
                case RpcException e -> e;
                default -> new CompletionException(cause);
            };
        });
    }

    /** The calls that attach all drives again, those too that are just being attached. */
    static void addConfig(Target target, ArrayNode calls) {
        target.nvme().all().stream().filter(entry -> !entry.isDetaching()).forEach(entry ->
                calls.addObject().put("method", ATTACH).set("params", entry.parameters));
    }
}
