package io.gatun.daemon.bench;

import io.gatun.linux.Memory;

/**
 * The packets of a run: UDP over IPv4, with a number and a time, and bytes behind that follow from the number.
 *
 * <pre>
 * byte 0         14      34     42            46       54     62
 *      Ethernet  IPv4    UDP    mark, stream  number   time   pattern …
 * </pre>
 *
 * <p>Each queue sends one stream, with UDP ports of its own, so that switches keep its packets in order. Addresses may
 * come back exchanged; they are not checked, everything else is.
 */
final class PacketStamps {
    /** The shortest packet. */
    static final int LEAST_BYTES = 64;

    private static final int ETHERNET_BYTES = 14;
    private static final int IP_BYTES = 20;
    private static final int MARK = 42;
    private static final int NUMBER = 46;
    private static final int TIME = 54;
    private static final int PATTERN = 62;

    /** The upper 24 bits of the mark; the lower 8 are the stream. */
    private static final int MAGIC = 0x47_54_4e_00;

    private static final int FIRST_PORT = 20_000;

    private PacketStamps() {}

    /** Writes everything that is the same in each packet of a stream. */
    static void prepare(long at, int lengthBytes, int stream) {
        Memory.fill(at, lengthBytes, (byte) 0);
        bytes(at, 0x02, 0, 0, 0, 1, stream, 0x02, 0, 0, 0, 0, stream, 0x08, 0x00);
        long ip = at + ETHERNET_BYTES;
        int ipLength = lengthBytes - ETHERNET_BYTES;
        bytes(ip, 0x45, 0, ipLength >> 8, ipLength, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 1, stream);
        bigEndian(ip + 10, ~sum(ip) & 0xffff);
        long udp = ip + IP_BYTES;
        bigEndian(udp, FIRST_PORT + stream);
        bigEndian(udp + 2, FIRST_PORT + stream);
        bigEndian(udp + 4, ipLength - IP_BYTES);
        Memory.putInt(at + MARK, MAGIC | stream);
    }

    /** Gives a prepared packet its number and time. */
    static void stamp(long at, long number, long timeNanos) {
        Memory.putLong(at + NUMBER, number);
        Memory.putLong(at + TIME, timeNanos);
    }

    /** Writes the bytes that follow from the number. */
    static void fill(long at, int lengthBytes, long number) {
        int i = PATTERN;
        for (; i + Long.BYTES <= lengthBytes; i += Long.BYTES) {
            Memory.putLong(at + i, pattern(number, i));
        }
        for (; i < lengthBytes; i++) {
            Memory.putByte(at + i, (byte) pattern(number, i));
        }
    }

    /** The stream of a packet, or −1 if it is none of ours. */
    static int stream(long at, int lengthBytes) {
        if (lengthBytes < LEAST_BYTES) {
            return -1;
        }
        int mark = Memory.getInt(at + MARK);
        return (mark & ~0xff) == MAGIC ? mark & 0xff : -1;
    }

    static long number(long at) {
        return Memory.getLong(at + NUMBER);
    }

    static long time(long at) {
        return Memory.getLong(at + TIME);
    }

    /** The first byte that is not as {@link #fill} left it, or −1. */
    static int firstWrong(long at, int lengthBytes, long number) {
        int i = PATTERN;
        for (; i + Long.BYTES <= lengthBytes; i += Long.BYTES) {
            if (Memory.getLong(at + i) != pattern(number, i)) {
                return i;
            }
        }
        for (; i < lengthBytes; i++) {
            if (Memory.getByte(at + i) != (byte) pattern(number, i)) {
                return i;
            }
        }
        return -1;
    }

    private static long pattern(long number, int at) {
        return (number + 1) * 0x9e37_79b9_7f4a_7c15L + at * 0x0101_0101_0101_0101L;
    }

    private static int sum(long ip) {
        int sum = 0;
        for (int i = 0; i < IP_BYTES; i += 2) {
            sum += ((Memory.getByte(ip + i) & 0xff) << 8) | (Memory.getByte(ip + i + 1) & 0xff);
        }
        return (sum & 0xffff) + (sum >>> 16);
    }

    private static void bytes(long at, int... values) {
        for (int i = 0; i < values.length; i++) {
            Memory.putByte(at + i, (byte) values[i]);
        }
    }

    private static void bigEndian(long at, int value) {
        bytes(at, value >> 8, value);
    }
}
