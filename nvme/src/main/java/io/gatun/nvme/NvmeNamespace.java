package io.gatun.nvme;

import java.nio.ByteBuffer;
import java.util.UUID;

/**
 * A namespace of a controller. It stays the same object when its size or format changes, and when it vanishes and comes
 * back; another namespace that is given its number is another object.
 *
 * <p><b>Thread-safety:</b> any thread. The data changes as a whole, by the controller's watch.
 */
public final class NvmeNamespace {
    private final NvmeController controller;
    private final int id;
    private final UUID uuid;
    private volatile NamespaceData data;
    private volatile boolean active = true;

    NvmeNamespace(NvmeController controller, int id, NamespaceData data, UUID uuid) {
        this.controller = controller;
        this.id = id;
        this.data = data;
        this.uuid = uuid;
    }

    /** Its identifier (NSID), from 1 on. */
    public int id() {
        return id;
    }

    public NvmeController controller() {
        return controller;
    }

    /** What the controller said of it last. */
    public NamespaceData data() {
        return data;
    }

    public int blockShift() {
        return data.currentFormat().blockShift();
    }

    public int blockBytes() {
        return 1 << blockShift();
    }

    public long blockCount() {
        return data.blockCount();
    }

    /** Its UUID, or else one made of its NGUID or EUI-64, or of the controller's serial number. */
    public UUID uuid() {
        return uuid;
    }

    /** Whether the controller still has it. */
    public boolean isActive() {
        return active;
    }

    void update(NamespaceData now) {
        data = now;
        active = true;
    }

    void deactivate() {
        active = false;
    }

    /** A stable identity for a namespace without a UUID of its own. */
    static UUID identity(NamespaceData data, ControllerData controller, int id) {
        byte[] guid = data.guid();
        ByteBuffer bits = ByteBuffer.wrap(guid);
        long high = bits.getLong();
        long low = bits.getLong();
        if ((high | low) != 0) {
            return new UUID(high, low);
        }
        String name = data.eui64() != 0
                ? "eui." + Long.toHexString(data.eui64())
                : controller.modelNumber() + " " + controller.serialNumber() + " " + id;
        return UUID.nameUUIDFromBytes(name.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    @Override
    public String toString() {
        return controller.name() + " namespace " + id;
    }
}
