package io.gatun.pmd.loop;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;

/**
 * Answers ARP requests (RFC 826) and ICMP echo requests (RFC 792) for any IPv4 address, untagged or with one VLAN tag:
 * a guest that pings into this hears everybody.
 *
 * <p>Everything else is dropped: other packets, fragments, what comes from or goes to a group address, and an ARP probe
 * or announcement, whose answer would tell the guest that its own address is taken (RFC 5227). Answers come from one
 * Ethernet address, {@link #ADDRESS}.
 *
 * <p><b>Thread-safety:</b> as {@link Forwarder} says.
 */
public final class IcmpEcho implements Forwarder {
    /** The Ethernet address that everybody has, 02:00:00:00:02:00: its first byte is that of the lowest bits. */
    static final long ADDRESS = 0x0002_0000_0002L;

    /** Enough for Ethernet, a tag, IPv4 with all its options, and ICMP; ARP is shorter. */
    private static final int HEAD_BYTES = 14 + 4 + 60 + 8;

    private static final int ARP_BYTES = 28;
    private static final int VLAN = 0x8100;
    private static final int ARP = 0x0806;
    private static final int IPV4 = 0x0800;
    private static final int ICMP = 1;
    private static final int ECHO_REQUEST = 8;

    /** Ethernet, IPv4, six and four bytes of address: the first three fields of an ARP packet. */
    private static final long ARP_ETHERNET_IPV4 = 0x0406_0008_0100L;

    private static final int ARP_REQUEST = 1;
    private static final int ARP_REPLY = 2;

    private final Lane[] lanes;

    /** Answers what {@code port} receives; throws {@link IllegalArgumentException} where it cannot send. */
    public IcmpEcho(Port port) {
        lanes = Lane.between(port, port);
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        Lane lane = lanes[from.index()];
        int answers = 0;
        for (int i = 0; i < burst.count; i++) {
            if (answer(burst, i)) {
                lane.chosen[answers++] = i;
            }
        }
        if (answers != burst.count) {
            from.counters().drop(Drop.NO_DESTINATION, burst.count - answers);
        }
        if (answers != 0) {
            lane.exit.send(burst, lane.chosen, answers);
        }
    }

    /** Makes the packet the answer to itself; false if it has none. */
    private static boolean answer(Burst burst, int packet) {
        int length = burst.lengths[packet];
        // Neither is ever checksummed or segmented by a device.
        if (length < 14 + ARP_BYTES || Offloads.neededBy(burst.offloads[packet]) != Offloads.NONE) {
            return false;
        }
        int have = Math.min(length, HEAD_BYTES);
        long head = burst.editHead(packet, have);
        if ((Memory.getByte(head + 6) & 1) != 0) {
            return false;
        }
        int type = big16(head + 12);
        int at = 14;
        if (type == VLAN) {
            type = big16(head + 16);
            at = 18;
        }
        return switch (type) {
            case ARP -> have >= at + ARP_BYTES && answerArp(head, head + at);
            case IPV4 -> answerIpv4(head, head + at, have - at);
            default -> false;
        };
    }

    private static boolean answerArp(long head, long arp) {
        long senderAndTarget = Memory.getLong(arp + 8) & 0xffff_ffff_ffffL;
        int sender = Memory.getInt(arp + 14);
        int target = Memory.getInt(arp + 24);
        if ((Memory.getLong(arp) & 0xffff_ffff_ffffL) != ARP_ETHERNET_IPV4
                || big16(arp + 6) != ARP_REQUEST
                || sender == 0
                || sender == target) {
            return false;
        }
        putBig16(arp + 6, ARP_REPLY);
        putAddress(arp + 8, ADDRESS);
        Memory.putInt(arp + 14, target);
        putAddress(arp + 18, senderAndTarget);
        Memory.putInt(arp + 24, sender);
        putAddress(head, Memory.getLong(head + 6) & 0xffff_ffff_ffffL);
        putAddress(head + 6, ADDRESS);
        return true;
    }

    private static boolean answerIpv4(long head, long ip, int have) {
        int versionAndLength = Memory.getByte(ip) & 0xff;
        int headerBytes = (versionAndLength & 0xf) * 4;
        // More fragments, or not the first one (RFC 791 §3.1).
        boolean fragment = (big16(ip + 6) & 0x3fff) != 0;
        if (versionAndLength >>> 4 != 4
                || headerBytes < 20
                || headerBytes + 8 > have
                || fragment
                || isGroup(ip + 12)
                || isGroup(ip + 16)
                || Memory.getByte(ip + 9) != ICMP
                || Memory.getByte(ip + headerBytes) != ECHO_REQUEST
                || Memory.getByte(ip + headerBytes + 1) != 0) {
            return false;
        }
        long icmp = ip + headerBytes;
        // An echo reply is type 0, so the checksum's words shrink by 0x0800 (RFC 1624); addresses only change places.
        Memory.putByte(icmp, (byte) 0);
        int sum = big16(icmp + 2) + (ECHO_REQUEST << 8);
        putBig16(icmp + 2, (sum & 0xffff) + (sum >>> 16));
        int source = Memory.getInt(ip + 12);
        Memory.putInt(ip + 12, Memory.getInt(ip + 16));
        Memory.putInt(ip + 16, source);
        putAddress(head, Memory.getLong(head + 6) & 0xffff_ffff_ffffL);
        putAddress(head + 6, ADDRESS);
        return true;
    }

    /** Whether a multicast address, or the broadcast one, is there: 224.0.0.0 and above. */
    private static boolean isGroup(long address) {
        return (Memory.getByte(address) & 0xff) >= 224;
    }

    private static int big16(long address) {
        return Short.toUnsignedInt(Short.reverseBytes((short) Memory.getUnsignedShort(address)));
    }

    private static void putBig16(long address, int value) {
        Memory.putShort(address, Short.reverseBytes((short) value));
    }

    /** Writes six bytes, the lowest first. */
    private static void putAddress(long address, long value) {
        Memory.putInt(address, (int) value);
        Memory.putShort(address + 4, (int) (value >>> 32));
    }
}
