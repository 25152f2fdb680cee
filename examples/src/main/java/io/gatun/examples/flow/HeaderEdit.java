package io.gatun.examples.flow;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.VlanHeader;
import io.gatun.pmd.offload.InternetChecksum;
import io.gatun.pmd.offload.PacketHeaders;

/**
 * Writes header fields into the private head of a packet, and keeps its checksums right (RFC 1624).
 *
 * <p>A checksum that the sender left to its device holds the pseudo header's sum so far: it changes with the addresses
 * and not with the ports. A field that a packet does not have is not written.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class HeaderEdit {
    private static final int IPV4_CHECKSUM = 10;
    private static final int TCP_CHECKSUM = 16;
    private static final int UDP_CHECKSUM = 6;

    private final PacketHeaders headers = new PacketHeaders();

    HeaderEdit() {}

    void set(Burst burst, int packet, Action.SetField action) {
        if (!KeyReader.parse(burst, packet, headers)) {
            return;
        }
        long head = burst.addresses[packet];
        long low = action.low();
        switch (action.field()) {
            case DL_DST -> putMac(head, low);
            case DL_SRC -> putMac(head + 6, low);
            case DL_VLAN -> putTag(burst, packet, 0xfff, (int) low);
            case DL_VLAN_PCP -> putTag(burst, packet, 0xe000, (int) low << 13);
            case NW_SRC -> setIpv4(burst, packet, head + headers.networkOffset + 12, (int) low);
            case NW_DST -> setIpv4(burst, packet, head + headers.networkOffset + 16, (int) low);
            case IPV6_SRC -> setIpv6(burst, packet, head + headers.networkOffset + 8, action);
            case IPV6_DST -> setIpv6(burst, packet, head + headers.networkOffset + 24, action);
            case NW_TOS -> setTos(head + headers.networkOffset, (int) low);
            case TP_SRC -> setPort(burst, packet, head + headers.transportOffset, (int) low);
            case TP_DST -> setPort(burst, packet, head + headers.transportOffset + 2, (int) low);
            default -> throw new IllegalStateException("not to be set: " + action.field());
        }
    }

    /** Puts a tag in front, with the fields of the one that is there. */
    void push(Burst burst, int packet, int etherType) {
        long head = burst.editHead(packet, Math.min(burst.lengths[packet], KeyReader.HEAD_BYTES));
        int tag = isTagged(burst, packet) ? VlanHeader.tag(head) : 0;
        if (burst.canGrow(packet, VlanHeader.TAG_BYTES)) {
            VlanHeader.push(burst, packet, etherType, tag);
        }
    }

    void pop(Burst burst, int packet) {
        burst.editHead(packet, Math.min(burst.lengths[packet], KeyReader.HEAD_BYTES));
        if (isTagged(burst, packet)) {
            VlanHeader.pop(burst, packet);
        }
    }

    /** Whether there is a tag, not its type alone: below the tags that were parsed there may be the end. */
    private static boolean isTagged(Burst burst, int packet) {
        return burst.lengths[packet] >= PacketHeaders.ETHERNET_BYTES + VlanHeader.TAG_BYTES
                && VlanHeader.isTagged(burst.addresses[packet]);
    }

    /** As OpenFlow 1.0 has it: without a tag, one is put there. */
    private void putTag(Burst burst, int packet, int mask, int bits) {
        if (!isTagged(burst, packet)) {
            push(burst, packet, PacketHeaders.TYPE_VLAN);
        }
        long head = burst.addresses[packet];
        if (isTagged(burst, packet)) {
            VlanHeader.putTag(head, (VlanHeader.tag(head) & ~mask) | (bits & mask));
        }
    }

    private static void putMac(long address, long mac) {
        long raw = Long.reverseBytes(mac << 16);
        Memory.putInt(address, (int) raw);
        Memory.putShort(address + 4, (int) (raw >>> 32));
    }

    private void setIpv4(Burst burst, int packet, long at, int value) {
        if (headers.ip && !headers.ipv6) {
            long before = InternetChecksum.sum(at, 4);
            Memory.putInt(at, Integer.reverseBytes(value));
            long after = InternetChecksum.sum(at, 4);
            update(burst.addresses[packet] + headers.networkOffset + IPV4_CHECKSUM, before, after);
            updateTransport(burst, packet, before, after, true);
        }
    }

    private void setIpv6(Burst burst, int packet, long at, Action.SetField action) {
        if (headers.ipv6) {
            long before = InternetChecksum.sum(at, 16);
            Memory.putLong(at, Long.reverseBytes(action.high()));
            Memory.putLong(at + 8, Long.reverseBytes(action.low()));
            updateTransport(burst, packet, before, InternetChecksum.sum(at, 16), true);
        }
    }

    private void setTos(long network, int tos) {
        if (headers.ipv6) {
            PacketHeaders.putNumber(network, (PacketHeaders.number(network) & ~(KeyReader.DSCP << 4)) | tos << 4);
        } else if (headers.ip) {
            long before = InternetChecksum.sum(network, 2);
            Memory.putByte(network + 1, (byte) ((Memory.getByte(network + 1) & ~KeyReader.DSCP) | tos));
            update(network + IPV4_CHECKSUM, before, InternetChecksum.sum(network, 2));
        }
    }

    private void setPort(Burst burst, int packet, long at, int port) {
        if (headers.transportBytes != 0) {
            long before = InternetChecksum.sum(at, 2);
            PacketHeaders.putNumber(at, port);
            updateTransport(burst, packet, before, InternetChecksum.sum(at, 2), false);
        }
    }

    private static void update(long field, long before, long after) {
        Memory.putShort(field, InternetChecksum.update(Memory.getUnsignedShort(field), before, after));
    }

    private void updateTransport(Burst burst, int packet, long before, long after, boolean inPseudoHeader) {
        if (headers.transportBytes == 0) {
            return;
        }
        boolean udp = headers.protocol == PacketHeaders.UDP;
        long field = burst.addresses[packet] + headers.transportOffset + (udp ? UDP_CHECKSUM : TCP_CHECKSUM);
        int checksum = Memory.getUnsignedShort(field);
        if ((NetHeader.flags(burst.offloads[packet]) & NetHeader.F_NEEDS_CSUM) != 0) {
            if (inPseudoHeader) {
                Memory.putShort(field, ~InternetChecksum.update(~checksum & 0xffff, before, after) & 0xffff);
            }
        } else if (!udp || checksum != 0) {
            int updated = InternetChecksum.update(checksum, before, after);
            Memory.putShort(field, udp && updated == 0 ? 0xffff : updated);
        }
    }
}
