package io.gatun.pmd;

import io.gatun.linux.Memory;
import io.gatun.pmd.offload.PacketHeaders;

/**
 * The outermost VLAN tag of a packet, read and written in its private head ({@link Burst#editHead}; IEEE 802.1Q §9).
 *
 * <pre>
 * byte  0            6       12    14   16
 *       destination  source  TPID  TCI  type …
 * </pre>
 *
 * <p><b>Thread-safety:</b> stateless; a packet is its burst's user's.
 */
public final class VlanHeader {
    public static final int TAG_BYTES = 4;

    private static final int ADDRESS_BYTES = 12;

    private VlanHeader() {}

    /** Whether there is a tag, of either type; {@code head} has 14 bytes. */
    public static boolean isTagged(long head) {
        int type = PacketHeaders.number(head + ADDRESS_BYTES);
        return type == PacketHeaders.TYPE_VLAN || type == PacketHeaders.TYPE_SERVICE_VLAN;
    }

    /** Priority (3 bits), drop eligibility (1) and VLAN (12) of a tag that is there; {@code head} has 16 bytes. */
    public static int tag(long head) {
        return PacketHeaders.number(head + ADDRESS_BYTES + 2);
    }

    /** Writes them. */
    public static void putTag(long head, int tag) {
        PacketHeaders.putNumber(head + ADDRESS_BYTES + 2, tag);
    }

    /** Puts a tag in front of all others; the packet has a private head of at least 12 bytes that can grow. */
    public static void push(Burst burst, int packet, int type, int tag) {
        long head = burst.growHead(packet, TAG_BYTES);
        Memory.copy(head + TAG_BYTES, head, ADDRESS_BYTES);
        PacketHeaders.putNumber(head + ADDRESS_BYTES, type);
        putTag(head, tag);
    }

    /** Takes the outermost tag away; the packet has a private head of at least 17 bytes. */
    public static void pop(Burst burst, int packet) {
        long head = burst.addresses[packet];
        Memory.copy(head, head + TAG_BYTES, ADDRESS_BYTES);
        burst.growHead(packet, -TAG_BYTES);
    }
}
