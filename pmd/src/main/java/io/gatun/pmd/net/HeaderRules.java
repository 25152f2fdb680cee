package io.gatun.pmd.net;

import io.gatun.pmd.NetHeader;

/**
 * What a driver may write into the header of a packet that it transmits (VIRTIO 1.3 §5.1.6.2): judged here once, so
 * that nobody behind has to doubt an offload word. The other direction has the same rules, with the features that
 * {@link #ofDevice} gives.
 */
public final class HeaderRules {
    /** The header contradicts itself, its packet, or the negotiated features. */
    public static final long REFUSED = -1;

    private static final int CHECKSUM_BYTES = 2;

    private HeaderRules() {}

    /** Features for judging what a device gives its driver: what the driver takes, as if the device did. */
    public static long ofDevice(long features) {
        long uso = VirtioNet.F_GUEST_USO4 | VirtioNet.F_GUEST_USO6;
        return ((features & VirtioNet.F_GUEST_CSUM) != 0 ? VirtioNet.F_CSUM : 0)
                | ((features & VirtioNet.F_GUEST_TSO4) != 0 ? VirtioNet.F_HOST_TSO4 : 0)
                | ((features & VirtioNet.F_GUEST_TSO6) != 0 ? VirtioNet.F_HOST_TSO6 : 0)
                | ((features & VirtioNet.F_GUEST_ECN) != 0 ? VirtioNet.F_HOST_ECN : 0)
                | ((features & uso) != 0 ? VirtioNet.F_HOST_USO : 0);
    }

    /** The features that let a header ask for anything: without them, nobody has to look. */
    public static boolean mayAsk(long features) {
        return (features & (VirtioNet.F_CSUM | VirtioNet.F_HOST_TSO4 | VirtioNet.F_HOST_TSO6 | VirtioNet.F_HOST_USO))
                != 0;
    }

    /**
     * The offload word as others may see it: only fields that mean something, all in range; or {@link #REFUSED}.
     *
     * @param word the header's first eight bytes, fetched once
     * @param checksumOffset its {@code csum_offset}
     * @param length of the packet in bytes
     * @param features what was negotiated
     */
    public static long judge(long word, int checksumOffset, int length, long features) {
        boolean needsChecksum = (NetHeader.flags(word) & NetHeader.F_NEEDS_CSUM) != 0;
        int type = NetHeader.gsoType(word);
        if (!needsChecksum) {
            // "If gso_type differs from NONE, the driver MUST also set NEEDS_CSUM" (§5.1.6.2.1); other flags are hints.
            return type == NetHeader.GSO_NONE ? 0 : REFUSED;
        }
        int start = NetHeader.checksumStart(word);
        boolean place = start + checksumOffset + CHECKSUM_BYTES <= length;
        if (!place || (features & VirtioNet.F_CSUM) == 0) {
            return REFUSED;
        }
        if (type == NetHeader.GSO_NONE) {
            return NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_NONE, 0, 0, start);
        }
        int size = NetHeader.gsoSize(word);
        if (size == 0 || !mayBe(type, features)) {
            return REFUSED;
        }
        int headerLength = Math.min(NetHeader.headerLength(word), length);
        return NetHeader.offload(NetHeader.F_NEEDS_CSUM, type, headerLength, size, start);
    }

    private static boolean mayBe(int type, long features) {
        long needed =
                switch (type) {
                    case NetHeader.GSO_TCPV4 -> VirtioNet.F_HOST_TSO4;
                    case NetHeader.GSO_TCPV6 -> VirtioNet.F_HOST_TSO6;
                    case NetHeader.GSO_TCPV4 | NetHeader.GSO_ECN -> VirtioNet.F_HOST_TSO4 | VirtioNet.F_HOST_ECN;
                    case NetHeader.GSO_TCPV6 | NetHeader.GSO_ECN -> VirtioNet.F_HOST_TSO6 | VirtioNet.F_HOST_ECN;
                    case NetHeader.GSO_UDP_L4 -> VirtioNet.F_HOST_USO;
                    // UDP fragmentation (GSO_UDP) is never offered.
                    default -> -1;
                };
        return (features & needed) == needed;
    }
}
