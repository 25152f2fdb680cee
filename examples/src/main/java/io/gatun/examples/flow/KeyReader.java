package io.gatun.examples.flow;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.VlanHeader;
import io.gatun.pmd.offload.PacketHeaders;
import java.util.Arrays;

/**
 * Reads the key of a packet. Its head becomes a private copy first, so that what was matched is what leaves.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class KeyReader {
    /** As much of a packet as is read: two tags, IPv6 and a few extension headers, TCP with options. */
    static final int HEAD_BYTES = 128;

    /** What {@code nw_tos} is of its byte; the other bits are congestion's (RFC 3168). */
    static final int DSCP = 0xfc;

    private static final int TYPE_AT = 12;
    private static final int SECOND_TAG_AT = TYPE_AT + VlanHeader.TAG_BYTES;

    private final PacketHeaders headers = new PacketHeaders();

    KeyReader() {}

    /** Makes the head private and tells where its headers are; false if it is no Ethernet packet. */
    static boolean parse(Burst burst, int packet, PacketHeaders headers) {
        int length = Math.min(HEAD_BYTES, burst.lengths[packet]);
        return headers.parse(burst.editHead(packet, length), length);
    }

    /** Fills a key; false if the packet has none. */
    boolean read(Burst burst, int packet, int inPort, long[] key) {
        if (!parse(burst, packet, headers)) {
            return false;
        }
        long head = burst.addresses[packet];
        key[0] = (Long.reverseBytes(Memory.getLong(head)) & ~0xffffL) | headers.etherType;
        key[1] = (Long.reverseBytes(Memory.getLong(head + 6)) & ~0xffffL) | tag(head, TYPE_AT);
        key[2] = (long) inPort << 48;
        Arrays.fill(key, 3, Field.WORDS, 0);
        if (headers.networkOffset >= SECOND_TAG_AT + VlanHeader.TAG_BYTES) {
            key[Field.TAGS_BELOW] = tag(head, SECOND_TAG_AT);
        }
        if (headers.ip) {
            readNetwork(head + headers.networkOffset, key);
            if (headers.transportBytes != 0) {
                long transport = head + headers.transportOffset;
                Field.TP_SRC.put(key, 0, PacketHeaders.number(transport));
                Field.TP_DST.put(key, 0, PacketHeaders.number(transport + 2));
            }
        }
        return true;
    }

    private static int tag(long head, int at) {
        int type = PacketHeaders.number(head + at);
        return type == PacketHeaders.TYPE_VLAN || type == PacketHeaders.TYPE_SERVICE_VLAN
                ? PacketHeaders.number(head + at + 2) | Field.TAG_PRESENT
                : 0;
    }

    private void readNetwork(long network, long[] key) {
        Field.NW_PROTO.put(key, 0, headers.protocol);
        if (headers.ipv6) {
            Field.NW_TOS.put(key, 0, PacketHeaders.number(network) >>> 4 & DSCP);
            for (int i = 0; i < 4; i++) {
                key[Field.IPV6_SRC.word + i] = Long.reverseBytes(Memory.getLong(network + 8 + 8L * i));
            }
        } else {
            Field.NW_TOS.put(key, 0, Memory.getByte(network + 1) & DSCP);
            key[Field.NW_SRC.word] = Long.reverseBytes(Memory.getLong(network + 12));
        }
    }
}
