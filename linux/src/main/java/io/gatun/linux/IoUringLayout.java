package io.gatun.linux;

/**
 * The memory that io_uring shares with the kernel, and its numbers. Source: {@code linux/io_uring.h},
 * io_uring_setup(2).
 *
 * <pre>
 * submission entry                           completion entry
 *   0 u8  opcode     1 u8 flags   2 u16 prio    0 u64 user data
 *   4 s32 file                                  8 s32 result
 *   8 u64 offset                               12 u32 flags
 *  16 u64 address
 *  24 u32 length    28 u32 operation's flags
 *  32 u64 user data
 *  40 u16 buffer index   42..63 zero
 * </pre>
 */
final class IoUringLayout {
    static final int PARAMS_SIZE = 120;
    static final int PARAMS_SQ_ENTRIES = 0;
    static final int PARAMS_CQ_ENTRIES = 4;
    static final int PARAMS_FLAGS = 8;
    static final int PARAMS_SQ_THREAD_CPU = 12;
    static final int PARAMS_SQ_THREAD_IDLE = 16;
    static final int PARAMS_FEATURES = 20;
    static final int PARAMS_SQ_HEAD = 40;
    static final int PARAMS_SQ_TAIL = 44;
    static final int PARAMS_SQ_MASK = 48;
    static final int PARAMS_SQ_FLAGS = 56;
    static final int PARAMS_SQ_ARRAY = 64;
    static final int PARAMS_CQ_HEAD = 80;
    static final int PARAMS_CQ_TAIL = 84;
    static final int PARAMS_CQ_MASK = 88;
    static final int PARAMS_CQ_CQES = 100;
    static final int PARAMS_CQ_FLAGS = 104;

    static final long MAP_RINGS = 0;
    static final long MAP_SQES = 0x1000_0000L;

    static final int SETUP_SQPOLL = 1 << 1;
    static final int SETUP_SQ_AFF = 1 << 2;
    static final int SETUP_CQSIZE = 1 << 3;
    static final int SETUP_CLAMP = 1 << 4;
    static final int SETUP_SUBMIT_ALL = 1 << 7;
    static final int SETUP_COOP_TASKRUN = 1 << 8;
    static final int SETUP_TASKRUN_FLAG = 1 << 9;
    static final int SETUP_SINGLE_ISSUER = 1 << 12;
    static final int SETUP_DEFER_TASKRUN = 1 << 13;

    static final int FEATURE_SINGLE_MMAP = 1;
    static final int FEATURE_NODROP = 1 << 1;

    static final int SQ_NEED_WAKEUP = 1;
    static final int SQ_CQ_OVERFLOW = 1 << 1;
    static final int SQ_TASKRUN = 1 << 2;
    static final int CQ_EVENTFD_DISABLED = 1;

    static final int ENTER_GETEVENTS = 1;
    static final int ENTER_SQ_WAKEUP = 1 << 1;

    static final int REGISTER_BUFFERS = 0;
    static final int UNREGISTER_BUFFERS = 1;
    static final int REGISTER_FILES = 2;
    static final int UNREGISTER_FILES = 3;
    static final int REGISTER_EVENTFD = 4;
    static final int REGISTER_FILES_UPDATE = 6;

    static final int OP_NOP = 0;
    static final int OP_READV = 1;
    static final int OP_WRITEV = 2;
    static final int OP_FSYNC = 3;
    static final int OP_READ_FIXED = 4;
    static final int OP_WRITE_FIXED = 5;
    static final int OP_POLL_ADD = 6;
    static final int OP_ASYNC_CANCEL = 14;
    static final int OP_FALLOCATE = 17;
    static final int OP_READ = 22;
    static final int OP_WRITE = 23;

    static final int FSYNC_DATASYNC = 1;

    static final int SQE_SIZE = 64;
    static final int SQE_OPCODE = 0;
    static final int SQE_OFFSET = 8;
    static final int SQE_ADDRESS = 16;
    static final int SQE_LENGTH = 24;
    static final int SQE_USER_DATA = 32;
    static final int SQE_BUFFER_INDEX = 40;
    static final int SQE_FIXED_FILE = 1;

    static final int CQE_SIZE = 16;
    static final int CQE_USER_DATA = 0;
    static final int CQE_RESULT = 8;

    private IoUringLayout() {}
}
