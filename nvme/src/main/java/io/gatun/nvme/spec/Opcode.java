package io.gatun.nvme.spec;

/** Commands, features and log pages by number: Base figures 138, 317 and 202; NVM figure 20. */
public final class Opcode {
    // Admin commands.
    public static final int DELETE_SQ = 0x00;
    public static final int CREATE_SQ = 0x01;
    public static final int GET_LOG_PAGE = 0x02;
    public static final int DELETE_CQ = 0x04;
    public static final int CREATE_CQ = 0x05;
    public static final int IDENTIFY = 0x06;
    public static final int ABORT = 0x08;
    public static final int SET_FEATURES = 0x09;
    public static final int GET_FEATURES = 0x0a;
    public static final int ASYNC_EVENT_REQUEST = 0x0c;
    public static final int DOORBELL_BUFFER_CONFIG = 0x7c;
    public static final int FORMAT_NVM = 0x80;

    // Commands of the NVM command set.
    public static final int FLUSH = 0x00;
    public static final int WRITE = 0x01;
    public static final int READ = 0x02;
    public static final int COMPARE = 0x05;
    public static final int WRITE_ZEROES = 0x08;
    public static final int DATASET_MANAGEMENT = 0x09;
    public static final int VERIFY = 0x0c;

    // Identify: what to identify (CNS).
    public static final int CNS_NAMESPACE = 0x00;
    public static final int CNS_CONTROLLER = 0x01;
    public static final int CNS_ACTIVE_NAMESPACES = 0x02;
    public static final int CNS_NAMESPACE_DESCRIPTORS = 0x03;
    public static final int CNS_COMMAND_SET_CONTROLLER = 0x06;

    // Features.
    public static final int FEATURE_WRITE_CACHE = 0x06;
    public static final int FEATURE_NUMBER_OF_QUEUES = 0x07;
    public static final int FEATURE_ASYNC_EVENTS = 0x0b;

    // Log pages.
    public static final int LOG_ERROR = 0x01;
    public static final int LOG_HEALTH = 0x02;
    public static final int LOG_FIRMWARE_SLOTS = 0x03;
    public static final int LOG_CHANGED_NAMESPACES = 0x04;

    // Create I/O Completion Queue and Submission Queue, CDW11.
    public static final int QUEUE_CONTIGUOUS = 1;
    public static final int QUEUE_INTERRUPTS = 2;

    // Write Zeroes, CDW12; Dataset Management, CDW11.
    public static final int ZEROES_DEALLOCATE = 1 << 25;
    public static final int DSM_DEALLOCATE = 1 << 2;
    public static final int DSM_RANGE_BYTES = 16;

    private Opcode() {}
}
