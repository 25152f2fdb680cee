package io.gatun.pmd.net;

/** The numbers of a network device (VIRTIO 1.3 §5.1.3, §5.1.4); those of the header are {@code NetHeader}'s. */
public final class VirtioNet {
    public static final int DEVICE_ID = 1;

    /** The device takes packets whose checksum is missing. */
    public static final long F_CSUM = 1L;

    /** The driver takes packets whose checksum is missing. */
    public static final long F_GUEST_CSUM = 1L << 1;

    /** The configuration space has the largest MTU. */
    public static final long F_MTU = 1L << 3;

    /** The configuration space has the address. */
    public static final long F_MAC = 1L << 5;

    public static final long F_GUEST_TSO4 = 1L << 7;
    public static final long F_GUEST_TSO6 = 1L << 8;
    public static final long F_GUEST_ECN = 1L << 9;
    public static final long F_HOST_TSO4 = 1L << 11;
    public static final long F_HOST_TSO6 = 1L << 12;
    public static final long F_HOST_ECN = 1L << 13;

    /** The driver takes packets that are spread over several receive buffers. */
    public static final long F_MRG_RXBUF = 1L << 15;

    /** The configuration space has the link's status. */
    public static final long F_STATUS = 1L << 16;

    /** The driver announces itself after a migration. */
    public static final long F_GUEST_ANNOUNCE = 1L << 21;

    /** More than one queue pair. */
    public static final long F_MQ = 1L << 22;

    public static final long F_GUEST_USO4 = 1L << 54;
    public static final long F_GUEST_USO6 = 1L << 55;
    public static final long F_HOST_USO = 1L << 56;

    public static final int CONFIG_MAC = 0;
    static final int CONFIG_STATUS = 6;
    static final int CONFIG_MAX_VIRTQUEUE_PAIRS = 8;
    public static final int CONFIG_MTU = 10;

    /** The configuration space up to and including {@code mtu}. */
    static final int CONFIG_BYTES = 12;

    static final int S_LINK_UP = 1;

    /** The shortest packet that is one: an Ethernet header. */
    public static final int MIN_PACKET_BYTES = 14;

    /** The longest packet: the largest IP packet, and an Ethernet header with a VLAN tag. */
    public static final int MAX_PACKET_BYTES = 65535 + 18;

    /** Both directions of a pair: queue {@code 2 i} is receiveq, {@code 2 i + 1} is transmitq (§5.1.2). */
    public static final int QUEUES_PER_PAIR = 2;

    private VirtioNet() {}
}
