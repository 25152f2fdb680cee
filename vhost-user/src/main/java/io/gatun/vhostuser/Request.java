package io.gatun.vhostuser;

/**
 * The numbers of the requests that a front-end sends, and of those that a back-end sends on its own channel. Source:
 * QEMU {@code docs/interop/vhost-user.rst}, "Front-end message types" and "Back-end message types".
 */
final class Request {
    static final int GET_FEATURES = 1;
    static final int SET_FEATURES = 2;
    static final int SET_OWNER = 3;
    static final int RESET_OWNER = 4;
    static final int SET_MEM_TABLE = 5;
    static final int SET_LOG_BASE = 6;
    static final int SET_LOG_FD = 7;
    static final int SET_VRING_NUM = 8;
    static final int SET_VRING_ADDR = 9;
    static final int SET_VRING_BASE = 10;
    static final int GET_VRING_BASE = 11;
    static final int SET_VRING_KICK = 12;
    static final int SET_VRING_CALL = 13;
    static final int SET_VRING_ERR = 14;
    static final int GET_PROTOCOL_FEATURES = 15;
    static final int SET_PROTOCOL_FEATURES = 16;
    static final int GET_QUEUE_NUM = 17;
    static final int SET_VRING_ENABLE = 18;
    static final int SEND_RARP = 19;
    static final int NET_SET_MTU = 20;
    static final int SET_BACKEND_REQ_FD = 21;
    static final int IOTLB_MSG = 22;
    static final int SET_VRING_ENDIAN = 23;
    static final int GET_CONFIG = 24;
    static final int SET_CONFIG = 25;
    static final int CREATE_CRYPTO_SESSION = 26;
    static final int CLOSE_CRYPTO_SESSION = 27;
    static final int POSTCOPY_ADVISE = 28;
    static final int POSTCOPY_LISTEN = 29;
    static final int POSTCOPY_END = 30;
    static final int GET_INFLIGHT_FD = 31;
    static final int SET_INFLIGHT_FD = 32;
    static final int RESET_DEVICE = 34;
    static final int GET_MAX_MEM_SLOTS = 36;
    static final int ADD_MEM_REG = 37;
    static final int REM_MEM_REG = 38;
    static final int SET_STATUS = 39;
    static final int GET_STATUS = 40;

    /** On the back-end's channel. */
    static final int BACKEND_IOTLB_MSG = 1;

    /** On the back-end's channel. */
    static final int BACKEND_CONFIG_CHANGE_MSG = 2;

    /** On the back-end's channel. */
    static final int BACKEND_VRING_HOST_NOTIFIER_MSG = 3;

    private Request() {}
}
