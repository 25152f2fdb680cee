package io.gatun.nvme.software;

import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Opcode;
import io.gatun.vfio.DmaSpace;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/**
 * The admin command set of a software controller.
 *
 * <p><b>Thread-safety:</b> under the controller's lock.
 */
final class SoftwareAdmin {
    private static final int MOST_EVENT_REQUESTS = 4;

    /** What {@link #run} returns for a command that completes later. */
    private static final int LATER = -1;

    private final SoftwareController controller;
    private final ArrayDeque<Integer> eventRequests = new ArrayDeque<>();
    private final long[] completionQueues = new long[256];
    private final int[] completionEntries = new int[256];
    private long shadowEvents;
    private int writeCache = 1;
    private int result;

    SoftwareAdmin(SoftwareController controller) {
        this.controller = controller;
    }

    void reset() {
        eventRequests.clear();
        java.util.Arrays.fill(completionQueues, 0);
        shadowEvents = 0;
    }

    void execute(SoftwareQueue queue, long entry, int opcode, int identifier, SoftwareData data) {
        result = 0;
        int status = run(entry, opcode, identifier, data);
        if (status != LATER) {
            controller.complete(queue, identifier, status, result);
        }
    }

    void sendEvent(SoftwareQueue queue, int event) {
        Integer identifier = eventRequests.poll();
        if (queue != null && identifier != null) {
            controller.complete(queue, identifier, NvmeStatus.SUCCESS, event);
        }
    }

    private int run(long entry, int opcode, int identifier, SoftwareData data) {
        int word10 = Memory.getInt(entry + Entries.CDW10);
        int word11 = Memory.getInt(entry + Entries.CDW11);
        return switch (opcode) {
            case Opcode.IDENTIFY -> identify(entry, word10 & 0xff, data);
            case Opcode.CREATE_CQ -> createCompletionQueue(entry, word10, word11);
            case Opcode.CREATE_SQ -> createSubmissionQueue(entry, word10, word11);
            case Opcode.DELETE_SQ -> deleteSubmissionQueue(word10 & 0xffff);
            case Opcode.DELETE_CQ -> deleteCompletionQueue(word10 & 0xffff);
            case Opcode.SET_FEATURES -> setFeature(word10 & 0xff, word11);
            case Opcode.GET_FEATURES -> getFeature(word10 & 0xff);
            case Opcode.GET_LOG_PAGE -> logPage(entry, word10, data);
            case Opcode.ASYNC_EVENT_REQUEST -> {
                if (eventRequests.size() == MOST_EVENT_REQUESTS) {
                    yield NvmeStatus.ASYNC_EVENT_LIMIT;
                }
                eventRequests.add(identifier);
                yield LATER;
            }
            case Opcode.ABORT -> {
                result = controller.aborts(word10 & 0xffff, word10 >>> 16) ? 0 : 1;
                yield NvmeStatus.SUCCESS;
            }
            case Opcode.DOORBELL_BUFFER_CONFIG -> configureShadow(entry);
            case Opcode.FORMAT_NVM -> format(Memory.getInt(entry + Entries.NAMESPACE), word10);
            default -> NvmeStatus.INVALID_OPCODE;
        };
    }

    private int identify(long entry, int what, SoftwareData data) {
        int id = Memory.getInt(entry + Entries.NAMESPACE);
        boolean known = id > 0 && id <= controller.namespaces.length;
        ByteBuffer answer;
        switch (what) {
            case Opcode.CNS_CONTROLLER -> answer = SoftwareIdentity.controller(
                    controller.options, controller.namespaces.length, controller.serialNumber());
            case Opcode.CNS_NAMESPACE -> {
                if (!known) {
                    return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
                }
                answer = SoftwareIdentity.namespace(controller.namespaces[id - 1]);
            }
            case Opcode.CNS_ACTIVE_NAMESPACES -> {
                answer = SoftwareIdentity.empty();
                int at = 0;
                for (int i = id + 1; i <= controller.namespaces.length; i++) {
                    if (controller.namespaces[i - 1].blockCount() != 0) {
                        answer.putInt(at, i);
                        at += 4;
                    }
                }
            }
            case Opcode.CNS_NAMESPACE_DESCRIPTORS -> {
                if (!known) {
                    return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
                }
                answer = SoftwareIdentity.descriptors(id);
            }
            case Opcode.CNS_COMMAND_SET_CONTROLLER -> answer = SoftwareIdentity.empty();
            default -> {
                return NvmeStatus.INVALID_FIELD;
            }
        }
        controller.identified(what, id, answer);
        return send(entry, answer, SoftwareIdentity.BYTES, data);
    }

    private static int send(long entry, ByteBuffer structure, int bytes, SoftwareData data) {
        int status = data.find(entry, bytes);
        byte[] answer = new byte[bytes];
        structure.get(0, answer);
        int at = 0;
        for (int i = 0; status == NvmeStatus.SUCCESS && i < data.count; i++) {
            Memory.copyFromArray(answer, at, data.addresses[i], data.lengths[i]);
            at += data.lengths[i];
        }
        return status;
    }

    private int createCompletionQueue(long entry, int word10, int word11) {
        int id = word10 & 0xffff;
        int entries = (word10 >>> 16) + 1;
        long queue = controller.memory.find(Memory.getLong(entry + Entries.PRP1));
        if (id == 0 || id >= controller.queues().length || completionQueues[id] != 0) {
            return NvmeStatus.INVALID_QUEUE_IDENTIFIER;
        }
        if (entries < 2 || entries > controller.options.queueEntries()) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        if ((word11 & Opcode.QUEUE_CONTIGUOUS) == 0 || queue == DmaSpace.UNMAPPED || (queue & 4095) != 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        if ((word11 & Opcode.QUEUE_INTERRUPTS) != 0 && word11 >>> 16 >= controller.vectorCount()) {
            return NvmeStatus.INVALID_VECTOR;
        }
        completionQueues[id] = queue;
        completionEntries[id] = entries;
        return NvmeStatus.SUCCESS;
    }

    private int createSubmissionQueue(long entry, int word10, int word11) {
        int id = word10 & 0xffff;
        int entries = (word10 >>> 16) + 1;
        long address = controller.memory.find(Memory.getLong(entry + Entries.PRP1));
        if (id == 0 || id >= controller.queues().length || controller.queues()[id] != null) {
            return NvmeStatus.INVALID_QUEUE_IDENTIFIER;
        }
        if (word11 >>> 16 != id || completionQueues[id] == 0) {
            return NvmeStatus.COMPLETION_QUEUE_INVALID;
        }
        if (entries < 2 || entries > controller.options.queueEntries()) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        if ((word11 & Opcode.QUEUE_CONTIGUOUS) == 0 || address == DmaSpace.UNMAPPED || (address & 4095) != 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        SoftwareQueue queue = new SoftwareQueue(id, address, entries, completionQueues[id], completionEntries[id]);
        if (shadowEvents != 0) {
            queue.useShadow(shadowEvents, controller.stride());
        }
        controller.queues()[id] = queue;
        return NvmeStatus.SUCCESS;
    }

    private int deleteSubmissionQueue(int id) {
        if (id == 0 || id >= controller.queues().length || controller.queues()[id] == null) {
            return NvmeStatus.INVALID_QUEUE_IDENTIFIER;
        }
        controller.queues()[id] = null;
        return NvmeStatus.SUCCESS;
    }

    private int deleteCompletionQueue(int id) {
        if (id == 0 || id >= controller.queues().length || completionQueues[id] == 0) {
            return NvmeStatus.INVALID_QUEUE_IDENTIFIER;
        }
        if (controller.queues()[id] != null) {
            return NvmeStatus.INVALID_QUEUE_DELETION;
        }
        completionQueues[id] = 0;
        return NvmeStatus.SUCCESS;
    }

    private int setFeature(int feature, int value) {
        switch (feature) {
            case Opcode.FEATURE_NUMBER_OF_QUEUES -> {
                int most = controller.options.ioQueues() - 1;
                result = Math.min(value & 0xffff, most) | Math.min(value >>> 16, most) << 16;
            }
            case Opcode.FEATURE_WRITE_CACHE -> writeCache = value & 1;
            case Opcode.FEATURE_ASYNC_EVENTS -> {
                // all events are sent
            }
            default -> {
                return NvmeStatus.INVALID_FIELD;
            }
        }
        return NvmeStatus.SUCCESS;
    }

    private int getFeature(int feature) {
        if (feature != Opcode.FEATURE_WRITE_CACHE) {
            return NvmeStatus.INVALID_FIELD;
        }
        result = writeCache;
        return NvmeStatus.SUCCESS;
    }

    private int logPage(long entry, int word10, SoftwareData data) {
        int bytes = ((word10 >>> 16) + 1) * 4;
        ByteBuffer log = SoftwareIdentity.empty();
        switch (word10 & 0xff) {
            case Opcode.LOG_ERROR -> controller.errors.copyTo(log);
            case Opcode.LOG_HEALTH -> {
                log.putShort(1, (short) 300);
                log.put(3, (byte) 100);
                log.putLong(112, 7);
                log.putLong(160, controller.errors.count());
                log.putLong(176, controller.errors.count());
            }
            case Opcode.LOG_FIRMWARE_SLOTS -> {
                log.put(0, (byte) 1);
                log.put(8, "1.0     ".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            }
            case Opcode.LOG_CHANGED_NAMESPACES -> log.putInt(0, 1);
            default -> {
                return NvmeStatus.INVALID_LOG_PAGE;
            }
        }
        return bytes > SoftwareIdentity.BYTES ? NvmeStatus.INVALID_FIELD : send(entry, log, bytes, data);
    }

    private int configureShadow(long entry) {
        long values = controller.memory.find(Memory.getLong(entry + Entries.PRP1));
        long events = controller.memory.find(Memory.getLong(entry + Entries.PRP2));
        if (!controller.options.shadowDoorbells()) {
            return NvmeStatus.INVALID_OPCODE;
        }
        if (values == DmaSpace.UNMAPPED || events == DmaSpace.UNMAPPED) {
            return NvmeStatus.INVALID_FIELD;
        }
        shadowEvents = events;
        return NvmeStatus.SUCCESS;
    }

    private int format(int id, int word10) {
        if (id < 1 || id > controller.namespaces.length) {
            return NvmeStatus.INVALID_NAMESPACE_OR_FORMAT;
        }
        if ((word10 & 0xf) > 1) {
            return NvmeStatus.INVALID_FORMAT;
        }
        controller.namespaces[id - 1].format((word10 & 0xf) == 0 ? 9 : 12);
        return NvmeStatus.SUCCESS;
    }
}
