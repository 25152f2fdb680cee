package io.gatun.examples.flow;

import java.nio.ByteBuffer;
import java.util.HexFormat;

/** Packets for tests, and their checksums the slow way. */
final class Packet {
    private static final byte[] TEN_0_0_1 = {10, 0, 0, 1};

    private Packet() {}

    /** 64 bytes from station {@code from} (10.0.0.1) to {@code to} (10.0.0.2), with right checksums. */
    static byte[] ipv4(int protocol, int from, int to) {
        return ipv4(protocol, from, to, new byte[] {10, 0, 0, 2});
    }

    static byte[] withDestination(String address) {
        return ipv4(6, 1, 2, java.net.InetAddress.ofLiteral(address).getAddress());
    }

    static byte[] broadcast() {
        byte[] packet = ipv4(17, 1, 2);
        java.util.Arrays.fill(packet, 0, 6, (byte) 0xff);
        return packet;
    }

    private static byte[] ipv4(int protocol, int from, int to, byte[] destination) {
        ByteBuffer packet = ByteBuffer.allocate(64);
        packet.putShort((short) 0x0200).putInt(to).putShort((short) 0x0200).putInt(from).putShort((short) 0x0800);
        packet.putShort((short) 0x4500).putShort((short) 50).putInt(0x00010000);
        packet.put((byte) 64).put((byte) protocol).putShort((short) 0).put(TEN_0_0_1).put(destination);
        packet.putShort(24, (short) ~sum(packet.array(), 14, 34, 0));
        return transport(packet, 14, 34, protocol);
    }

    /** 84 bytes from fd00::1 to fd00::2. */
    static byte[] ipv6(int protocol) {
        ByteBuffer packet = ByteBuffer.allocate(84);
        packet.putShort((short) 0x0200).putInt(2).putShort((short) 0x0200).putInt(1).putShort((short) 0x86dd);
        packet.putInt(0x60000000).putShort((short) 30).put((byte) protocol).put((byte) 64);
        packet.putLong(0xfd00L << 48).putLong(1).putLong(0xfd00L << 48).putLong(2);
        return transport(packet, 14, 54, protocol);
    }

    private static byte[] transport(ByteBuffer packet, int network, int at, int protocol) {
        packet.putShort(at, (short) 1000).putShort(at + 2, (short) 2000);
        if (protocol == 6) {
            packet.put(at + 12, (byte) 0x50);
        } else {
            packet.putShort(at + 4, (short) (packet.capacity() - at));
        }
        byte[] bytes = new byte[packet.capacity()];
        packet.get(0, bytes);
        int checksum = ~sum(bytes, at, bytes.length, pseudo(bytes, network, at, protocol));
        ByteBuffer.wrap(bytes).putShort(at + (protocol == 6 ? 16 : 6), (short) checksum);
        return bytes;
    }

    /** With only the pseudo header's sum where the checksum of an IPv4 packet goes. */
    static byte[] seeded(byte[] packet, int protocol) {
        ByteBuffer.wrap(packet).putShort(34 + (protocol == 6 ? 16 : 6), (short) pseudo(packet, 14, 34, protocol));
        return packet;
    }

    static byte[] tagged(byte[] packet, int tag) {
        return ByteBuffer.allocate(packet.length + 4)
                .put(packet, 0, 12)
                .putInt(0x81000000 | tag)
                .put(packet, 12, packet.length - 12)
                .array();
    }

    /** Whether the checksums of the IPv4 header, if there is one, and of what it carries are right. */
    static boolean isRight(byte[] packet, int network, int transport, int protocol) {
        boolean header = packet[network] >> 4 == 6 || sum(packet, network, transport, 0) == 0xffff;
        return header
                && sum(packet, transport, packet.length, pseudo(packet, network, transport, protocol)) == 0xffff;
    }

    private static int pseudo(byte[] packet, int network, int transport, int protocol) {
        boolean ipv6 = packet[network] >> 4 == 6;
        int from = network + (ipv6 ? 8 : 12);
        return sum(packet, from, from + (ipv6 ? 32 : 8), protocol + packet.length - transport);
    }

    private static int sum(byte[] packet, int from, int to, long start) {
        long sum = start;
        for (int i = from; i < to; i++) {
            sum += (packet[i] & 0xffL) << ((i - from) % 2 == 0 ? 8 : 0);
        }
        while (sum >> 16 != 0) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (int) sum;
    }

    static String hex(byte[] packet, int from, int to) {
        return HexFormat.of().formatHex(packet, from, to);
    }
}
