package io.gatun.pmd.loop;

import io.gatun.linux.Memory;

/**
 * The packet that {@link TxOnly} sends: Ethernet, IPv4 and UDP with valid checksums, and a payload of zeros.
 *
 * <p>From 02:00:00:00:01:QQ, 198.18.0.1, port 1024 + Q of queue Q, to 02:00:00:00:00:00, 198.18.0.2, port 9: addresses
 * that RFC 2544 and its successors set aside for measurements, and the port whose service throws everything away.
 */
final class UdpPacket {
    private static final int IP = 14;
    private static final int UDP = IP + 20;
    private static final int ETHERTYPE_IPV4 = 0x0800;
    private static final int VERSION_AND_LENGTH = 0x4500;
    private static final int TTL_AND_UDP = 64 << 8 | 17;
    private static final int SOURCE = 0xc612_0001;
    private static final int DESTINATION = 0xc612_0002;
    private static final int FIRST_PORT = 1024;
    private static final int DISCARD_PORT = 9;

    private UdpPacket() {}

    /** Writes a packet of {@code sizeBytes} bytes, at least 42, at {@code address}. */
    static void write(long address, int sizeBytes, int queue) {
        Memory.fill(address, sizeBytes, (byte) 0);
        big16(address, 0x0200);
        big16(address + 6, 0x0200);
        big16(address + 10, 0x0100 | (queue & 0xff));
        big16(address + 12, ETHERTYPE_IPV4);
        long ip = address + IP;
        big16(ip, VERSION_AND_LENGTH);
        big16(ip + 2, sizeBytes - IP);
        big16(ip + 8, TTL_AND_UDP);
        Memory.putInt(ip + 12, Integer.reverseBytes(SOURCE));
        Memory.putInt(ip + 16, Integer.reverseBytes(DESTINATION));
        big16(ip + 10, checksum(ip, UDP - IP, 0));
        long udp = address + UDP;
        int length = sizeBytes - UDP;
        big16(udp, FIRST_PORT + queue);
        big16(udp + 2, DISCARD_PORT);
        big16(udp + 4, length);
        // The pseudo header: both addresses, the protocol, and the length once more (RFC 768).
        int sum = checksum(udp, length, sum(ip + 12, 8) + 17 + length);
        big16(udp + 6, sum == 0 ? 0xffff : sum);
    }

    /** The Internet checksum (RFC 1071) of a run of bytes, on top of what was summed before. */
    static int checksum(long address, int bytes, int before) {
        int sum = before + sum(address, bytes);
        while (sum >>> 16 != 0) {
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return ~sum & 0xffff;
    }

    /** The sum of big-endian 16-bit words, a last odd byte being padded; not folded, so for up to 64 KiB. */
    private static int sum(long address, int bytes) {
        int sum = 0;
        for (int i = 0; i + 1 < bytes; i += 2) {
            sum += (Memory.getByte(address + i) & 0xff) << 8 | (Memory.getByte(address + i + 1) & 0xff);
        }
        return (bytes & 1) == 0 ? sum : sum + ((Memory.getByte(address + bytes - 1) & 0xff) << 8);
    }

    private static void big16(long address, int value) {
        Memory.putShort(address, Short.reverseBytes((short) value));
    }
}
