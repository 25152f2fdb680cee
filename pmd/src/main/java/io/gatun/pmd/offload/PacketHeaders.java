package io.gatun.pmd.offload;

import io.gatun.linux.Memory;

/**
 * Where the headers of an Ethernet packet are: up to two VLAN tags, IPv4 or IPv6 with extension headers, TCP or UDP.
 *
 * <p>Reads a private copy or at least bytes that are allowed to change: every offset that it gives out is inside the
 * bytes that it was shown, whatever they say.
 *
 * <p><b>Thread-safety:</b> one thread; an object is used for many packets, and a field is good until the next {@link
 * #parse}.
 */
public final class PacketHeaders {
    public static final int ETHERNET_BYTES = 14;
    public static final int TYPE_IPV4 = 0x0800;
    public static final int TYPE_ARP = 0x0806;
    public static final int TYPE_VLAN = 0x8100;
    public static final int TYPE_SERVICE_VLAN = 0x88a8;
    public static final int TYPE_IPV6 = 0x86dd;
    public static final int ICMP = 1;
    public static final int TCP = 6;
    public static final int UDP = 17;
    public static final int ICMPV6 = 58;

    private static final int HOP_BY_HOP = 0;
    private static final int ROUTING = 43;
    private static final int FRAGMENT = 44;
    private static final int AUTHENTICATION = 51;
    private static final int DESTINATION_OPTIONS = 60;

    /** More than any packet has: a chain of headers is walked no further (RFC 8200 §4.1 names six). */
    private static final int MAX_EXTENSIONS = 8;

    /** The EtherType after the VLAN tags. */
    public int etherType;

    /** Where the network header starts: after the Ethernet header and its tags. */
    public int networkOffset;

    /** Whether there is a whole IPv4 or IPv6 header. */
    public boolean ip;

    public boolean ipv6;

    /** What follows the IP header and its extensions; -1 without IP. */
    public int protocol;

    /** Where that starts; 0 if the bytes end before it, or if an extension is out of shape. */
    public int transportOffset;

    /** The length of a whole TCP or UDP header there, in bytes; 0 if there is none, as in a later fragment. */
    public int transportBytes;

    /** Whether the packet is one of several fragments. */
    public boolean fragment;

    /** Whether an IPv6 routing header has hops left, so that the checksum is over another destination. */
    public boolean sourceRouted;

    /** Nothing parsed. */
    public PacketHeaders() {}

    /** Looks at the first {@code length} bytes of a packet; false if they are no Ethernet header with all its tags. */
    public boolean parse(long address, int length) {
        ip = false;
        ipv6 = false;
        protocol = -1;
        transportOffset = 0;
        transportBytes = 0;
        fragment = false;
        sourceRouted = false;
        int at = ETHERNET_BYTES;
        if (length < at) {
            return false;
        }
        etherType = number(address + 12);
        for (int tags = 0; tags < 2 && (etherType == TYPE_VLAN || etherType == TYPE_SERVICE_VLAN); tags++) {
            if (length < at + 4) {
                return false;
            }
            etherType = number(address + at + 2);
            at += 4;
        }
        networkOffset = at;
        if (etherType == TYPE_IPV4) {
            parseIpv4(address + at, length - at);
        } else if (etherType == TYPE_IPV6) {
            parseIpv6(address + at, length - at);
        }
        if (transportOffset != 0) {
            parseTransport(address + transportOffset, length - transportOffset);
        }
        return true;
    }

    /** Reads a 16-bit number in network byte order. */
    public static int number(long address) {
        int raw = Memory.getUnsignedShort(address);
        return (raw & 0xff) << 8 | raw >>> 8;
    }

    /** Writes one. */
    public static void putNumber(long address, int value) {
        Memory.putShort(address, (value & 0xff) << 8 | (value >>> 8 & 0xff));
    }

    private void parseIpv4(long address, int length) {
        if (length < 20) {
            return;
        }
        int first = Memory.getByte(address);
        int headerBytes = (first & 0xf) * 4;
        if ((first & 0xf0) != 0x40 || headerBytes < 20 || headerBytes > length) {
            return;
        }
        ip = true;
        protocol = Memory.getByte(address + 9) & 0xff;
        int fragmentField = number(address + 6);
        fragment = (fragmentField & 0x3fff) != 0;
        if ((fragmentField & 0x1fff) == 0) {
            transportOffset = networkOffset + headerBytes;
        }
    }

    private void parseIpv6(long address, int length) {
        if (length < 40 || (Memory.getByte(address) & 0xf0) != 0x60) {
            return;
        }
        ip = true;
        ipv6 = true;
        protocol = Memory.getByte(address + 6) & 0xff;
        int at = 40;
        for (int i = 0; i <= MAX_EXTENSIONS; i++) {
            if (!isExtension(protocol)) {
                transportOffset = networkOffset + at;
                return;
            }
            if (at + 8 > length) {
                return;
            }
            at = skipExtension(address + at, at);
            if (at == 0 || at > length) {
                return;
            }
        }
    }

    private static boolean isExtension(int header) {
        return header == HOP_BY_HOP
                || header == ROUTING
                || header == FRAGMENT
                || header == AUTHENTICATION
                || header == DESTINATION_OPTIONS;
    }

    /** Returns where the header after this one starts, or 0 if this is a later fragment: there is none. */
    private int skipExtension(long address, int at) {
        int header = protocol;
        int next = Memory.getByte(address) & 0xff;
        int size = Memory.getByte(address + 1) & 0xff;
        protocol = next;
        switch (header) {
            case FRAGMENT -> {
                int field = number(address + 2);
                fragment |= (field & 0xfff9) != 0;
                return (field & 0xfff8) == 0 ? at + 8 : 0;
            }
            case AUTHENTICATION -> {
                return at + (size + 2) * 4;
            }
            case ROUTING -> sourceRouted |= Memory.getByte(address + 3) != 0;
            default -> {
                // Nothing to note.
            }
        }
        return at + (size + 1) * 8;
    }

    private void parseTransport(long address, int length) {
        if (protocol == TCP && length >= 20) {
            int bytes = (Memory.getByte(address + 12) >>> 4 & 0xf) * 4;
            transportBytes = bytes >= 20 && bytes <= length ? bytes : 0;
        } else if (protocol == UDP && length >= 8) {
            transportBytes = 8;
        }
    }
}
