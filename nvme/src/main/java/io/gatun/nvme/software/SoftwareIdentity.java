package io.gatun.nvme.software;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/** What a software controller says of itself and its namespaces: Base figure 275, NVM figure 97. */
final class SoftwareIdentity {
    static final int BYTES = 4096;

    private static final int FORMATS = 128;

    private SoftwareIdentity() {}

    static ByteBuffer controller(SoftwareOptions options, int namespaces, String serial) {
        ByteBuffer data = empty();
        data.putShort(0, (short) 0x1b36);
        text(data, 4, 20, serial);
        text(data, 24, 40, "Gatun software controller");
        text(data, 64, 8, "1.0");
        data.put(77, (byte) options.transferShift());
        data.putInt(80, options.version());
        data.putInt(92, 1 << 8); // OAES: namespace attributes
        data.putShort(256, (short) (1 << 1 | (options.shadowDoorbells() ? 1 << 8 : 0))); // OACS
        data.put(258, (byte) 3); // ACL
        data.put(259, (byte) 3); // AERL
        data.put(260, (byte) (1 << 1)); // FRMW: one slot
        data.put(261, (byte) 4); // LPA: log page offsets
        data.put(262, (byte) (SoftwareErrors.KEPT - 1)); // ELPE
        data.put(512, (byte) 0x66); // SQES
        data.put(513, (byte) 0x44); // CQES
        data.putInt(516, namespaces);
        data.putShort(520, (short) (1 | 1 << 2 | 1 << 3 | 1 << 7)); // ONCS: Compare, DSM, Write Zeroes, Verify
        data.put(525, (byte) 1); // VWC
        data.putInt(536, options.sgl()); // SGLS
        text(data, 768, 256, "nqn.2026-11.io.gatun:software");
        return data;
    }

    static ByteBuffer namespace(SoftwareNamespace namespace) {
        ByteBuffer data = empty();
        data.putLong(0, namespace.blockCount());
        data.putLong(8, namespace.blockCount());
        data.putLong(16, namespace.blockCount());
        data.put(25, (byte) 1); // NLBAF: two
        data.put(26, (byte) (namespace.blockShift() == 9 ? 0 : 1)); // FLBAS
        data.put(33, (byte) (1 | 1 << 3)); // DLFEAT: deallocated blocks read as zeros
        data.putInt(FORMATS, 9 << 16);
        data.putInt(FORMATS + 4, 12 << 16);
        return data;
    }

    static ByteBuffer descriptors(int id) {
        ByteBuffer data = empty();
        UUID uuid = uuid(id);
        data.put(0, (byte) 3).put(1, (byte) 16);
        data.order(ByteOrder.BIG_ENDIAN);
        data.putLong(4, uuid.getMostSignificantBits()).putLong(12, uuid.getLeastSignificantBits());
        return data;
    }

    static UUID uuid(int id) {
        return new UUID(0x6761_7475_6e00_4000L, 0x8000_0000_0000_0000L | id);
    }

    static ByteBuffer empty() {
        return ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void text(ByteBuffer data, int at, int length, String text) {
        byte[] padded = String.format("%-" + length + "s", text).getBytes(StandardCharsets.US_ASCII);
        data.put(at, padded, 0, length);
    }
}
