package io.gatun.pmd;

/**
 * What a receiver can do for itself, as a set of bits: a packet that needs more is finished in software before it is
 * sent there.
 */
public final class Offloads {
    /** Takes packets whose checksum is missing. */
    public static final long CHECKSUM = 1;

    /** Takes TCP over IPv4 larger than the MTU. */
    public static final long TSO4 = 1 << 1;

    /** Takes TCP over IPv6 larger than the MTU. */
    public static final long TSO6 = 1 << 2;

    /** Takes large TCP packets with ECN. */
    public static final long ECN = 1 << 3;

    /** Takes UDP datagrams that are to become fragments. */
    public static final long UFO = 1 << 4;

    /** Takes UDP packets that are to become several datagrams. */
    public static final long USO = 1 << 5;

    public static final long NONE = 0;
    public static final long ALL = CHECKSUM | TSO4 | TSO6 | ECN | UFO | USO;

    private Offloads() {}

    /** What a packet with this offload word asks of its receiver. */
    public static long neededBy(long offload) {
        if (offload == 0) {
            return NONE;
        }
        long needed = (NetHeader.flags(offload) & NetHeader.F_NEEDS_CSUM) != 0 ? CHECKSUM : NONE;
        int type = NetHeader.gsoType(offload);
        if ((type & NetHeader.GSO_ECN) != 0) {
            needed |= ECN;
        }
        return needed
                | switch (type & ~NetHeader.GSO_ECN) {
                    case NetHeader.GSO_TCPV4 -> TSO4;
                    case NetHeader.GSO_TCPV6 -> TSO6;
                    case NetHeader.GSO_UDP -> UFO;
                    case NetHeader.GSO_UDP_L4 -> USO;
                    default -> NONE;
                };
    }
}
