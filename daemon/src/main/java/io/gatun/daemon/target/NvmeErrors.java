package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.nvme.HostError;
import io.gatun.nvme.HostErrorLog;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.bdev.NvmeBdev;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** What this process has seen NVMe drives fail, for methods; counted as SPDK does, and in its words. */
final class NvmeErrors {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private NvmeErrors() {}

    /** How often commands on the device were completed with which status (type and code). */
    static Map<Integer, Long> of(NvmeBdev bdev) {
        return byStatus(bdev.drive().controller().hostErrors(), bdev.namespace().id());
    }

    private static Map<Integer, Long> byStatus(HostErrorLog log, int namespace) {
        Map<Integer, Long> sums = new TreeMap<>();
        for (HostErrorLog.Count count : log.counts()) {
            if (count.namespaceId() == namespace) {
                sums.put(count.status(), count.commands());
            }
        }
        return sums;
    }

    /** As SPDK counts errors in {@code bdev_get_iostat} ({@code nvme_error}), less those that are forgotten. */
    static ObjectNode counts(Map<Integer, Long> byStatus, Map<Integer, Long> forgotten) {
        ObjectNode counts = JSON.objectNode();
        ObjectNode types = counts.putObject("status_type");
        ObjectNode codes = counts.putObject("status_code");
        byStatus.forEach((status, commands) -> {
            long left = commands - forgotten.getOrDefault(status, 0L);
            if (left != 0) {
                add(types, type(status), left);
                add(codes, code(status), left);
            }
        });
        return counts;
    }

    private static void add(ObjectNode sums, String key, long more) {
        sums.put(key, sums.path(key).longValue() + more);
    }

    /** All that a controller has completed with an error since it was attached. */
    static ObjectNode log(HostErrorLog log) {
        Map<Integer, Long> byStatus = new TreeMap<>();
        for (HostErrorLog.Count count : log.counts()) {
            byStatus.merge(count.status(), count.commands(), Long::sum);
        }
        ObjectNode facts = JSON.objectNode()
                .put("errors", log.errorCount())
                .put("media_errors", log.mediaErrorCount());
        facts.setAll(counts(byStatus, Map.of()));
        ArrayNode entries = facts.putArray("entries");
        for (HostError entry : log.entries()) {
            ObjectNode described = entries.addObject()
                    .put("number", entry.number())
                    .put("time", entry.time().toString())
                    .put("operation", entry.operation())
                    .put("status", NvmeStatus.describe(entry.status()))
                    .put("queue", entry.queueId())
                    .put("command", entry.commandId());
            if (entry.namespaceId() != 0) {
                described.put("nsid", Integer.toUnsignedLong(entry.namespaceId()));
            }
            if (entry.blocks() != 0) {
                described.put("lba", entry.lba()).put("blocks", entry.blocks());
            }
        }
        return facts;
    }

    private static String type(int status) {
        return switch (status >>> 8 & 7) {
            case 0 -> "generic";
            case 1 -> "command_specific";
            case 2 -> "media_error";
            case 3 -> "path";
            case 7 -> "vendor_specific";
            default -> "reserved";
        };
    }

    /** The code of a status; where SPDK has no word for it, one for all of its type. */
    private static String code(int status) {
        return switch (NvmeStatus.code(status)) {
            case NvmeStatus.IDENTIFIER_CONFLICT -> "command_id_conflict";
            case NvmeStatus.INTERNAL_ERROR -> "internal_device_error";
            case NvmeStatus.ABORTED_BY_QUEUE_DELETION -> "aborted_sq_deletion";
            case NvmeStatus.NAMESPACE_WRITE_PROTECTED -> "command_namespace_is_protected";
            case NvmeStatus.TRANSIENT_TRANSPORT_ERROR -> "command_transient_transport_error";
            case NvmeStatus.COMPLETION_QUEUE_INVALID -> "invalid_completion_queue";
            case NvmeStatus.ASYNC_EVENT_LIMIT -> "async_limit_exceeded";
            case NvmeStatus.INVALID_VECTOR -> "invalid_interrupt_vector";
            case NvmeStatus.WRITE_TO_READ_ONLY -> "write_to_ro_range";
            case NvmeStatus.WRITE_FAULT -> "write_faults";
            case NvmeStatus.ABORTED_BY_HOST -> "aborted_by_host";
            default -> {
                String words = NvmeStatus.words(status);
                yield words.isEmpty() ? type(status) : words.toLowerCase(Locale.ROOT).replace(' ', '_');
            }
        };
    }
}
