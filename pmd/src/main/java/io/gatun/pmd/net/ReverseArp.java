package io.gatun.pmd.net;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import java.nio.ByteBuffer;

/**
 * The packet by which switches learn where an address has moved: a broadcast reverse ARP request from and about it (RFC
 * 903), as {@code SEND_RARP} asks for.
 */
final class ReverseArp {
    /** The shortest Ethernet frame, without its check sequence. */
    static final int BYTES = 60;

    private static final short ETHERTYPE = (short) 0x8035;
    private static final short ETHERNET = 1;
    private static final short IPV4 = 0x0800;
    private static final byte MAC_BYTES = 6;
    private static final byte IPV4_BYTES = 4;
    private static final short REQUEST_REVERSE = 3;

    private ReverseArp() {}

    static byte[] of(byte[] macAddress) {
        byte[] frame = new byte[BYTES];
        ByteBuffer out = ByteBuffer.wrap(frame);
        for (int i = 0; i < MAC_BYTES; i++) {
            out.put((byte) 0xff);
        }
        out.put(macAddress, 0, MAC_BYTES).putShort(ETHERTYPE);
        out.putShort(ETHERNET).putShort(IPV4).put(MAC_BYTES).put(IPV4_BYTES).putShort(REQUEST_REVERSE);
        out.put(macAddress, 0, MAC_BYTES).putInt(0).put(macAddress, 0, MAC_BYTES).putInt(0);
        return frame;
    }

    /** Adds the packet to a burst, in memory of the burst's own. */
    static void add(Burst burst, byte[] macAddress) {
        try (Mapping frame = Mapping.anonymous(BYTES)) {
            Memory.copyFromArray(of(macAddress), 0, frame.address(), BYTES);
            burst.add(frame.address(), BYTES);
            burst.editHead(0, BYTES);
        }
    }
}
