package io.gatun.pmd;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** Makes packets, and judges them, with none of the code under test. */
public final class TestFrames {
    private TestFrames() {}

    /** A locally administered unicast address. */
    public static long mac(int number) {
        return 0x02_00_00_00_00_00L | number;
    }

    /** An Ethernet frame of 60 bytes that carries no protocol in particular. */
    public static byte[] ethernet(long destination, long source) {
        return ethernet(destination, source, 0x88b5, new byte[46]);
    }

    /** An Ethernet frame. */
    public static byte[] ethernet(long destination, long source, int type, byte[] payload) {
        return ByteBuffer.allocate(14 + payload.length)
                .putLong(destination << 16 | source >>> 32)
                .putInt((int) source)
                .putShort((short) type)
                .put(payload)
                .array();
    }

    /** The same with a tag after the addresses. */
    public static byte[] tagged(byte[] frame, int tci) {
        return ByteBuffer.allocate(frame.length + 4)
                .put(frame, 0, 12)
                .putShort((short) 0x8100)
                .putShort((short) tci)
                .put(frame, 12, frame.length - 12)
                .array();
    }

    /** A TCP segment without a checksum. */
    public static byte[] tcp(int sourcePort, int destinationPort, int flags, int optionBytes, byte[] payload) {
        return ByteBuffer.allocate(20 + optionBytes + payload.length)
                .putShort((short) sourcePort)
                .putShort((short) destinationPort)
                .putInt(0xfffffe00)
                .putInt(77)
                .put((byte) (((20 + optionBytes) / 4) << 4))
                .put((byte) flags)
                .putShort((short) 4096)
                .putInt(0)
                .put(new byte[optionBytes])
                .put(payload)
                .array();
    }

    /** A UDP datagram without a checksum. */
    public static byte[] udp(int sourcePort, int destinationPort, byte[] payload) {
        return ByteBuffer.allocate(8 + payload.length)
                .putShort((short) sourcePort)
                .putShort((short) destinationPort)
                .putShort((short) (8 + payload.length))
                .putShort((short) 0)
                .put(payload)
                .array();
    }

    /** An IPv4 packet from 10.0.0.1 to 10.0.0.2 with a right header checksum. */
    public static byte[] ipv4(int protocol, int optionBytes, byte[] payload) {
        byte[] packet = ByteBuffer.allocate(20 + optionBytes + payload.length)
                .put((byte) (0x40 | (20 + optionBytes) / 4))
                .put((byte) 0)
                .putShort((short) (20 + optionBytes + payload.length))
                .putShort((short) 0xfffe)
                .putShort((short) 0x4000)
                .put((byte) 64)
                .put((byte) protocol)
                .putShort((short) 0)
                .putInt(0x0a000001)
                .putInt(0x0a000002)
                .put(new byte[optionBytes])
                .put(payload)
                .array();
        int checksum = ~onesSum(packet, 0, 20 + optionBytes, 0) & 0xffff;
        packet[10] = (byte) (checksum >> 8);
        packet[11] = (byte) checksum;
        return packet;
    }

    /** An IPv6 packet from fd00::1 to fd00::2; {@code extensions} are whole, {@code next} is the first one's type. */
    public static byte[] ipv6(int next, byte[] extensions, byte[] payload) {
        return ByteBuffer.allocate(40 + extensions.length + payload.length)
                .putInt(0x60000000)
                .putShort((short) (extensions.length + payload.length))
                .put((byte) next)
                .put((byte) 64)
                .putLong(0xfd00L << 48)
                .putLong(1)
                .putLong(0xfd00L << 48)
                .putLong(2)
                .put(extensions)
                .put(payload)
                .array();
    }

    /** The folded big-endian ones' complement sum, the slow way. */
    public static int onesSum(byte[] bytes, int from, int to, long start) {
        long sum = start;
        for (int i = from; i < to; i++) {
            sum += (i - from) % 2 == 0 ? (bytes[i] & 0xffL) << 8 : bytes[i] & 0xffL;
        }
        while (sum >> 16 != 0) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (int) sum;
    }

    /** The sum of the pseudo header of an IP packet whose transport header starts at {@code transport}. */
    public static int pseudoSum(byte[] frame, int network, int transport, int protocol) {
        boolean ipv6 = frame[network] >> 4 == 6;
        int from = network + (ipv6 ? 8 : 12);
        return onesSum(frame, from, from + (ipv6 ? 32 : 8), protocol + (long) frame.length - transport);
    }

    /** Puts the pseudo header's sum in the checksum field, as a sender does who leaves the rest to its device. */
    public static byte[] seeded(byte[] frame, int network, int transport, int protocol) {
        int at = transport + (protocol == 6 ? 16 : 6);
        int sum = pseudoSum(frame, network, transport, protocol);
        frame[at] = (byte) (sum >> 8);
        frame[at + 1] = (byte) sum;
        return frame;
    }

    /** Whether the transport checksum over the rest of the frame is right. */
    public static boolean checksumIsRight(byte[] frame, int network, int transport, int protocol) {
        return onesSum(frame, transport, frame.length, pseudoSum(frame, network, transport, protocol)) == 0xffff;
    }

    /** A big-endian number of two bytes. */
    public static int number(byte[] frame, int at) {
        return ByteBuffer.wrap(frame).getShort(at) & 0xffff;
    }

    /** Joins arrays. */
    public static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /** The end of a frame. */
    public static byte[] from(byte[] frame, int at) {
        return Arrays.copyOfRange(frame, at, frame.length);
    }
}
