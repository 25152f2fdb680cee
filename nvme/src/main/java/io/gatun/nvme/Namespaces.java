package io.gatun.nvme;

import io.gatun.nvme.spec.Opcode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The namespaces of a controller, as it describes them.
 *
 * <p><b>Thread-safety:</b> any thread; scans exclude each other.
 */
final class Namespaces {
    private static final Logger LOG = LoggerFactory.getLogger(Namespaces.class);

    private static final int FIRST_WITH_LISTS = 0x10100;
    private static final int FIRST_WITH_DESCRIPTORS = 0x10300;
    private static final int LIST_ENTRIES = 1024;

    /** More are not looked for, whatever the controller claims. */
    private static final int MOST = 4096;

    // Types of namespace identification descriptors (Base figure 277).
    private static final int DESCRIPTOR_UUID = 3;

    private final NvmeController controller;
    private final TreeMap<Integer, Known> known = new TreeMap<>();
    private volatile List<NvmeNamespace> active = List.of();

    /**
     * A namespace, and how the controller told it from others.
     *
     * @param told its UUID, or what stands for it where it has none; null as long as the controller refused to say
     */
    private record Known(NvmeNamespace namespace, UUID told) {}

    Namespaces(NvmeController controller) {
        this.controller = controller;
    }

    List<NvmeNamespace> active() {
        return active;
    }

    /** Asks the controller again; whether something has changed. */
    synchronized boolean scan() {
        boolean changed = false;
        List<NvmeNamespace> now = new ArrayList<>();
        for (int id : identifiers()) {
            byte[] bytes = controller.identify("identify namespace " + id, Opcode.CNS_NAMESPACE, id);
            NamespaceData data = new NamespaceData(bytes);
            if (data.blockCount() == 0) {
                continue; // inactive
            }
            String refusal = data.unsupported(controller.maxTransferBytes());
            if (refusal != null) {
                LOG.warn("{} namespace {} {}", controller.name(), id, refusal);
                continue;
            }
            // Each time: another namespace may look the same but for its UUID.
            UUID told = uuid(id, data);
            Known before = known.get(id);
            if (before == null || !isSame(before, data, told)) {
                UUID uuid = told != null ? told : NvmeNamespace.identity(data, controller.data(), id);
                before = new Known(new NvmeNamespace(controller, id, data, uuid), told);
                known.put(id, before);
                changed = true;
            } else if (before.told == null && told != null) {
                known.put(id, new Known(before.namespace, told));
            }
            NvmeNamespace namespace = before.namespace;
            if (!namespace.isActive() || !Arrays.equals(namespace.data().bytes(), bytes)) {
                namespace.update(data);
                changed = true;
            }
            now.add(namespace);
        }
        for (NvmeNamespace before : active) {
            if (!now.contains(before)) {
                LOG.warn("{} is gone, or cannot be used any more", before);
                before.deactivate();
                changed = true;
            }
        }
        active = List.copyOf(now);
        return changed;
    }

    /** Whether it is the namespace that was known by its number, and no other that has the number now. */
    private boolean isSame(Known before, NamespaceData data, UUID told) {
        if (before.told != null && told != null) {
            return before.told.equals(told);
        }
        // A refusal is no reason to give up a namespace in use, as long as nothing else tells it from the one before.
        int id = before.namespace.id();
        UUID otherwise = NvmeNamespace.identity(data, controller.data(), id);
        return NvmeNamespace.identity(before.namespace.data(), controller.data(), id).equals(otherwise);
    }

    private List<Integer> identifiers() {
        List<Integer> ids = new ArrayList<>();
        long count = controller.data().namespaceCount();
        if (controller.version() < FIRST_WITH_LISTS) {
            for (int id = 1; id <= Math.min(count, MOST); id++) {
                ids.add(id);
            }
            return ids;
        }
        int last = 0;
        while (ids.size() < MOST) {
            byte[] list = controller.identify("list namespaces", Opcode.CNS_ACTIVE_NAMESPACES, last);
            for (int i = 0; i < LIST_ENTRIES; i++) {
                int id = Fields.i32(list, 4 * i);
                if (id == 0) {
                    return ids;
                }
                if (Integer.compareUnsigned(id, last) <= 0) {
                    throw new NvmeException(controller.name() + " lists namespace " + Integer.toUnsignedString(id)
                            + " after " + Integer.toUnsignedString(last));
                }
                last = id;
                ids.add(id);
            }
        }
        return ids;
    }

    /** Its UUID, or what stands for it where it has none; null where the controller refuses to say. */
    private UUID uuid(int id, NamespaceData data) {
        if (controller.version() >= FIRST_WITH_DESCRIPTORS) {
            byte[] list = controller.identifyIfKnown(
                    "identify namespace " + id + " by descriptors", Opcode.CNS_NAMESPACE_DESCRIPTORS, id);
            if (list == null) {
                return null;
            }
            UUID found = findUuid(list);
            if (found != null) {
                return found;
            }
        }
        return NvmeNamespace.identity(data, controller.data(), id);
    }

    /** Type, length, two reserved bytes, and the identifier; a length of 0 ends the list. */
    private static UUID findUuid(byte[] list) {
        int at = 0;
        while (at + 4 <= list.length) {
            int type = Fields.u8(list, at);
            int length = Fields.u8(list, at + 1);
            if (length == 0 || at + 4 + length > list.length) {
                return null;
            }
            if (type == DESCRIPTOR_UUID && length == 16) {
                ByteBuffer bits = ByteBuffer.wrap(list, at + 4, 16);
                UUID uuid = new UUID(bits.getLong(), bits.getLong());
                return uuid.getMostSignificantBits() == 0 && uuid.getLeastSignificantBits() == 0 ? null : uuid;
            }
            at += 4 + length;
        }
        return null;
    }
}
