package io.gatun.vhostuser;

/**
 * The protocol feature bits, as masks; absent bits are not implemented at either end. Source: QEMU
 * {@code docs/interop/vhost-user.rst}, "Protocol features".
 */
public final class ProtocolFeatures {
    public static final long MQ = 1L << 0;
    public static final long LOG_SHMFD = 1L << 1;
    public static final long RARP = 1L << 2;
    public static final long REPLY_ACK = 1L << 3;
    public static final long MTU = 1L << 4;
    public static final long BACKEND_REQ = 1L << 5;
    public static final long CROSS_ENDIAN = 1L << 6;
    public static final long CRYPTO_SESSION = 1L << 7;
    public static final long PAGEFAULT = 1L << 8;
    public static final long CONFIG = 1L << 9;
    public static final long BACKEND_SEND_FD = 1L << 10;
    public static final long HOST_NOTIFIER = 1L << 11;
    public static final long INFLIGHT_SHMFD = 1L << 12;
    public static final long RESET_DEVICE = 1L << 13;
    public static final long INBAND_NOTIFICATIONS = 1L << 14;
    public static final long CONFIGURE_MEM_SLOTS = 1L << 15;
    public static final long STATUS = 1L << 16;

    /** What every session of ours offers. */
    static final long OFFERED = MQ
            | REPLY_ACK
            | BACKEND_REQ
            | BACKEND_SEND_FD
            | RESET_DEVICE
            | CONFIGURE_MEM_SLOTS
            | STATUS;

    /** What a device may add to the offer of its session. */
    static final long DEVICE_SPECIFIC = RARP | MTU | CONFIG | INFLIGHT_SHMFD;

    /** The virtio feature bit that announces protocol features: {@code VHOST_USER_F_PROTOCOL_FEATURES}. */
    public static final long VIRTIO_BIT = 1L << 30;

    private ProtocolFeatures() {}
}
