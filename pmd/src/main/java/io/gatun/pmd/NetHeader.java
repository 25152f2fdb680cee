package io.gatun.pmd;

/**
 * The header before each packet in a virtio-net queue, and the form in which a {@link Burst} carries it (VIRTIO 1.3
 * §5.1.6).
 *
 * <pre>
 * byte  0      1         2          4         6           8            10
 *      flags  gso_type  hdr_len    gso_size  csum_start  csum_offset  num_buffers
 * </pre>
 *
 * <p>The first eight bytes are one {@code long}, the <em>offload word</em>; a packet that asks for nothing has 0. Also
 * what Linux calls {@code vnet_hdr}, without {@code num_buffers} ({@link #SHORT_BYTES}).
 */
public final class NetHeader {
    /** With {@code num_buffers}: always so since VERSION_1. */
    public static final int BYTES = 12;

    /** Without {@code num_buffers}: TAP's default. */
    public static final int SHORT_BYTES = 10;

    public static final int CHECKSUM_OFFSET = 8;
    public static final int NUM_BUFFERS = 10;

    /** The checksum from {@link #checksumStart} to the packet's end is missing; a partial sum is in its place. */
    public static final int F_NEEDS_CSUM = 1;

    /** The checksum has been verified. */
    public static final int F_DATA_VALID = 2;

    public static final int GSO_NONE = 0;
    public static final int GSO_TCPV4 = 1;
    public static final int GSO_UDP = 3;
    public static final int GSO_TCPV6 = 4;
    public static final int GSO_UDP_L4 = 5;

    /** Flag beside a TCP type: the segments have the ECN bit. */
    public static final int GSO_ECN = 0x80;

    private NetHeader() {}

    public static long offload(int flags, int gsoType, int headerLength, int gsoSize, int checksumStart) {
        return (flags & 0xffL)
                | (gsoType & 0xffL) << 8
                | (headerLength & 0xffffL) << 16
                | (gsoSize & 0xffffL) << 32
                | (checksumStart & 0xffffL) << 48;
    }

    public static int flags(long offload) {
        return (int) offload & 0xff;
    }

    /** The type with its {@link #GSO_ECN} flag. */
    public static int gsoType(long offload) {
        return (int) (offload >>> 8) & 0xff;
    }

    /** How long the headers are that each segment repeats: a hint. */
    public static int headerLength(long offload) {
        return (int) (offload >>> 16) & 0xffff;
    }

    /** How many bytes of payload each segment has. */
    public static int gsoSize(long offload) {
        return (int) (offload >>> 32) & 0xffff;
    }

    /** Where the checksummed part of the packet starts, in bytes from the Ethernet header. */
    public static int checksumStart(long offload) {
        return (int) (offload >>> 48);
    }
}
