package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.nvme.ControllerData;
import io.gatun.nvme.ErrorLogEntry;
import io.gatun.nvme.FirmwareSlots;
import io.gatun.nvme.HealthLog;
import io.gatun.nvme.NamespaceData;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeNamespace;
import io.gatun.nvme.NvmeStatus;
import java.util.List;

/**
 * What there is to say of an NVMe controller, for the command line and for methods; SPDK's names where it has one. Each
 * method but {@link #summary} waits for the controller, so it is not for reactors.
 */
public final class NvmeFacts {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private NvmeFacts() {}

    /** Version as the specification writes it. */
    static String version(int version) {
        int tertiary = version & 0xff;
        return (version >>> 16) + "." + (version >>> 8 & 0xff) + (tertiary == 0 ? "" : "." + tertiary);
    }

    /** Who made it and what it is, from memory. */
    static ObjectNode summary(NvmeController controller) {
        ControllerData data = controller.data();
        return JSON.objectNode()
                .put("cntlid", data.controllerId())
                .put("vendor_id", String.format("0x%04x", data.vendorId()))
                .put("model_number", data.modelNumber())
                .put("serial_number", data.serialNumber())
                .put("firmware_revision", data.firmwareRevision())
                .put("subnqn", data.subsystemName());
    }

    /** The controller and its namespaces. */
    public static ObjectNode identity(NvmeController controller) {
        ControllerData data = controller.data();
        ObjectNode facts = JSON.objectNode().put("traddr", controller.name());
        facts.setAll(summary(controller));
        facts.put("version", version(controller.version()))
                .put("max_transfer_bytes", controller.maxTransferBytes())
                .put("io_queues", controller.ioQueueLimit())
                .put("volatile_write_cache", data.hasVolatileWriteCache());
        facts.putObject("supports")
                .put("compare", data.supportsCompare())
                .put("dataset_management", data.supportsDatasetManagement())
                .put("format", data.supportsFormat())
                .put("sgl", data.supportsSgl())
                .put("shadow_doorbells", data.supportsShadowDoorbells())
                .put("verify", data.supportsVerify())
                .put("write_zeroes", data.supportsWriteZeroes());
        ArrayNode namespaces = facts.putArray("namespace");
        controller.namespaces().forEach(namespace -> namespaces.add(identity(namespace)));
        return facts;
    }

    private static ObjectNode identity(NvmeNamespace namespace) {
        NamespaceData data = namespace.data();
        ObjectNode facts = JSON.objectNode()
                .put("nsid", namespace.id())
                .put("uuid", namespace.uuid().toString())
                .put("block_size", namespace.blockBytes())
                .put("num_blocks", namespace.blockCount())
                .put("used_blocks", data.usedBlocks())
                .put("write_protected", data.isWriteProtected());
        ArrayNode formats = facts.putArray("format");
        for (int i = 0; i < data.formatCount(); i++) {
            NamespaceData.Format format = data.format(i);
            formats.add(String.format(
                    "%d: %d bytes, %d of metadata%s",
                    i, 1L << format.blockShift(), format.metadataBytes(), i == data.formatIndex() ? ", in use" : ""));
        }
        return facts;
    }

    /** The health log, under SPDK's names. */
    public static ObjectNode health(NvmeController controller) {
        HealthLog log = controller.health();
        ObjectNode facts = summary(controller);
        facts.remove(List.of("cntlid", "vendor_id", "subnqn"));
        facts.put("traddr", controller.name())
                .put("critical_warning", log.criticalWarning())
                .put("warnings", log.warnings())
                .put("temperature_celsius", log.temperatureCelsius())
                .put("available_spare_percentage", log.availableSparePercent())
                .put("available_spare_threshold_percentage", log.spareThresholdPercent())
                .put("percentage_used", log.usedPercent())
                .put("data_units_read", log.dataUnitsRead())
                .put("data_units_written", log.dataUnitsWritten())
                .put("host_read_commands", log.readCommands())
                .put("host_write_commands", log.writeCommands())
                .put("controller_busy_time", log.busyMinutes())
                .put("power_cycles", log.powerCycles())
                .put("power_on_hours", log.powerOnHours())
                .put("unsafe_shutdowns", log.unsafeShutdowns())
                .put("media_errors", log.mediaErrors())
                .put("num_err_log_entries", log.errorLogEntries());
        return facts;
    }

    /** The error log, newest first. */
    public static ObjectNode errors(NvmeController controller) {
        ObjectNode facts = JSON.objectNode();
        ArrayNode errors = facts.putArray("error");
        for (ErrorLogEntry entry : controller.errors()) {
            errors.addObject()
                    .put("number", entry.errorCount())
                    .put("status", NvmeStatus.describe(entry.status()))
                    .put("queue", entry.queueId())
                    .put("command", entry.commandId())
                    .put("nsid", entry.namespaceId())
                    .put("lba", entry.lba());
        }
        return facts;
    }

    /** The firmware slots. */
    public static ObjectNode firmware(NvmeController controller) {
        FirmwareSlots slots = controller.firmwareSlots();
        ObjectNode facts = JSON.objectNode().put("active_slot", slots.activeSlot()).put("next_slot", slots.nextSlot());
        List<String> revisions = slots.revisions();
        for (int i = 0; i < revisions.size(); i++) {
            if (!revisions.get(i).isEmpty()) {
                facts.put("slot_" + (i + 1), revisions.get(i));
            }
        }
        return facts;
    }
}
