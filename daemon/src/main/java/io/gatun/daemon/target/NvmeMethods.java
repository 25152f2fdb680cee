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
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeException;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.vfio.PciAddress;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** Methods that take NVMe drives and give them back; a drive's namespaces are disks. Only drives on PCI are known. */
final class NvmeMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    static final String KIND = "nvme";
    private static final String PCIE = "PCIe";

    private NvmeMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        Param name = required("name", STRING, "Name of the drive.");
        Param traddr = required("traddr", STRING, "PCI address, as gatun nvme list shows it.");
        registry.add(
                "bdev_nvme_attach_controller",
                RUNTIME,
                "Takes a drive that is with vfio-pci or uio_pci_generic; its namespaces become disks.",
                List.of(
                        name,
                        required("trtype", STRING, "PCIe."),
                        traddr,
                        optional("num_io_queues", UINT32, "Queue pairs at most, one for each reactor (as many).")),
                NvmeMethods::attach);
        registry.add(
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
        registry.add(
                "bdev_nvme_reset_controller",
                RUNTIME,
                "Resets a drive; what is in flight is done again, nothing is lost.",
                List.of(name, optional("cntlid", UINT32, "Only if this is its controller's number.")),
                NvmeMethods::reset);
        registry.add(
                "bdev_nvme_get_controller_health_info",
                RUNTIME,
                "Tells how a drive is: warnings, temperature, wear, errors (SMART).",
                List.of(name),
                (target, arguments) -> told(() -> NvmeFacts.health(drive(target, arguments).controller())));
    }

    private static JsonNode attach(Target target, Arguments arguments) {
        String name = arguments.string("name");
        checkType(arguments.string("trtype"));
        PciAddress address = address(arguments.string("traddr"));
        for (NvmeDrive drive : target.nvme().all()) {
            if (drive.name().equals(name) || drive.controller().name().equals(address.toString())) {
                throw RpcException.errno(
                        Errno.EEXIST, "the drive at " + drive.controller().name() + " is attached as " + drive.name());
            }
        }
        NvmeOptions options = NvmeOptions.DEFAULTS.withIoQueues(queues(target, arguments));
        ObjectNode parameters =
                JSON.objectNode().put("name", name).put("trtype", PCIE).put("traddr", address.toString());
        if (arguments.has("num_io_queues")) {
            parameters.put("num_io_queues", options.ioQueues());
        }
        return told(() -> {
            NvmeDrive drive = target.nvme().attach(name, address, options);
            try {
                drive.bdevs().forEach(bdev -> target.checkFree(bdev.name()));
            } catch (RpcException e) {
                target.nvme().detach(drive);
                throw e;
            }
            ArrayNode names = JSON.arrayNode();
            for (NvmeBdev bdev : drive.bdevs()) {
                target.add(new Disk(bdev, KIND, "NVMe disk", parameters, specific(bdev)));
                names.add(bdev.name());
            }
            return names;
        });
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

    private static JsonNode detach(Target target, Arguments arguments) {
        NvmeDrive drive = drive(target, arguments);
        checkType(arguments.string("trtype"));
        String given = arguments.string("traddr");
        if (given != null && !address(given).toString().equals(drive.controller().name())) {
            throw RpcException.errno(Errno.ENODEV, drive.name() + " is at " + drive.controller().name());
        }
        List<Disk> disks = disks(target, drive);
        for (Disk disk : disks) {
            if (target.isClaimed(disk)) {
                throw RpcException.errno(
                        Errno.EBUSY, disk.name() + " is served at a socket; delete its vhost controller first");
            }
        }
        disks.forEach(disk -> target.remove(disk.name(), List.of(KIND)));
        target.nvme().detach(drive);
        return BooleanNode.TRUE;
    }

    private static List<Disk> disks(Target target, NvmeDrive drive) {
        return target.disks().stream()
                .filter(disk -> disk.bdev instanceof NvmeBdev bdev && bdev.drive().equals(drive))
                .toList();
    }

    private static JsonNode controllers(Target target, Arguments arguments) {
        ArrayNode all = JSON.arrayNode();
        if (arguments.has("name")) {
            all.add(describe(drive(target, arguments)));
        } else {
            target.nvme().all().forEach(drive -> all.add(describe(drive)));
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
        ObjectNode path = specific.putArray(KIND).addObject();
        path.put("pci_address", controller.name());
        path.set("trid", trid(controller));
        path.set("ctrlr_data", NvmeFacts.summary(controller));
        path.putObject("vs").put("nvme_version", NvmeFacts.version(controller.version()));
        path.putObject("ns_data").put("id", bdev.namespace().id());
        return specific;
    }

    private static JsonNode reset(Target target, Arguments arguments) {
        NvmeController controller = drive(target, arguments).controller();
        if (arguments.has("cntlid")
                && arguments.number("cntlid", 0) != controller.data().controllerId()) {
            throw RpcException.errno(
                    Errno.ENODEV, "the controller's cntlid is " + controller.data().controllerId());
        }
        return told(() -> {
            controller.reset();
            return BooleanNode.TRUE;
        });
    }

    private static NvmeDrive drive(Target target, Arguments arguments) {
        String name = arguments.string("name");
        NvmeDrive drive = target.nvme().find(name);
        if (drive == null) {
            String known = target.nvme().all().isEmpty()
                    ? "none is attached"
                    : "expected one of "
                            + String.join(", ", target.nvme().all().stream().map(NvmeDrive::name).toList());
            throw RpcException.errno(Errno.ENODEV, "no NVMe drive is called " + name + "; " + known);
        }
        return drive;
    }

    /** What a drive refuses, as what a caller of the method is told. */
    private static JsonNode told(Supplier<JsonNode> asking) {
        return BdevMethods.create(() -> {
            try {
                return asking.get();
            } catch (NvmeException e) {
                throw RpcException.errno(Errno.EIO, e.getMessage());
            }
        });
    }

    /** The calls that attach all drives again. */
    static void addConfig(Target target, ArrayNode calls) {
        for (NvmeDrive drive : target.nvme().all()) {
            disks(target, drive).stream().limit(1).forEach(disk -> calls.addObject()
                    .put("method", "bdev_nvme_attach_controller")
                    .set("params", disk.parameters));
        }
    }
}
