package io.gatun.nvme;

/** Commands, features and log pages by number: Base figures 138, 317 and 202; NVM figure 20. */
final class Opcode {
    // Admin commands.
    static final int DELETE_SQ = 0x00;
    static final int CREATE_SQ = 0x01;
    static final int GET_LOG_PAGE = 0x02;
    static final int DELETE_CQ = 0x04;
    static final int CREATE_CQ = 0x05;
    static final int IDENTIFY = 0x06;
    static final int ABORT = 0x08;
    static final int SET_FEATURES = 0x09;
    static final int GET_FEATURES = 0x0a;
    static final int ASYNC_EVENT_REQUEST = 0x0c;
    static final int DOORBELL_BUFFER_CONFIG = 0x7c;
    static final int FORMAT_NVM = 0x80;

    // Commands of the NVM command set.
    static final int FLUSH = 0x00;
    static final int WRITE = 0x01;
    static final int READ = 0x02;
    static final int COMPARE = 0x05;
    static final int WRITE_ZEROES = 0x08;
    static final int DATASET_MANAGEMENT = 0x09;
    static final int VERIFY = 0x0c;

    // Identify: what to identify (CNS).
    static final int CNS_NAMESPACE = 0x00;
    static final int CNS_CONTROLLER = 0x01;
    static final int CNS_ACTIVE_NAMESPACES = 0x02;
    static final int CNS_NAMESPACE_DESCRIPTORS = 0x03;

    // Features.
    static final int FEATURE_WRITE_CACHE = 0x06;
    static final int FEATURE_NUMBER_OF_QUEUES = 0x07;
    static final int FEATURE_ASYNC_EVENTS = 0x0b;

    // Log pages.
    static final int LOG_ERROR = 0x01;
    static final int LOG_HEALTH = 0x02;
    static final int LOG_FIRMWARE_SLOTS = 0x03;
    static final int LOG_CHANGED_NAMESPACES = 0x04;

    // Create I/O Completion Queue and Submission Queue, CDW11.
    static final int QUEUE_CONTIGUOUS = 1;
    static final int QUEUE_INTERRUPTS = 2;

    // Write Zeroes, CDW12; Dataset Management, CDW11.
    static final int ZEROES_DEALLOCATE = 1 << 25;
    static final int DSM_DEALLOCATE = 1 << 2;
    static final int DSM_RANGE_BYTES = 16;

    private Opcode() {}
}
