package io.gatun.vhostuser;

/**
 * Sizes, offsets and limits of vhost-user messages; all numbers in host byte order, no padding.
 *
 * <pre>
 *   0        4        8        12
 *   | request | flags  | size   | payload: size bytes ...
 *
 *   vring state      u32 index, u32 num
 *   vring address    u32 index, u32 flags, u64 descriptor, u64 used, u64 available, u64 log
 *   memory region    u64 guest address, u64 size, u64 user address, u64 mmap offset
 *   memory table     u32 count, u32 padding, regions
 *   single region    u64 padding, region
 *   config           u32 offset, u32 size, u32 flags, bytes
 *   inflight         u64 mmap size, u64 mmap offset, u16 queues, u16 queue size (padded to 24 by C)
 *   log              u64 size, u64 offset
 *   vring descriptor u64: bits 0 to 7 index, bit 8 no descriptor attached
 * </pre>
 *
 * Source: QEMU {@code docs/interop/vhost-user.rst}, "Message Specification".
 */
final class MessageLayout {
    static final int HEADER_BYTES = 12;
    static final int REQUEST_OFFSET = 0;
    static final int FLAGS_OFFSET = 4;
    static final int SIZE_OFFSET = 8;

    static final int VERSION = 0x1;
    static final int VERSION_MASK = 0x3;
    static final int REPLY = 0x4;
    static final int NEED_REPLY = 0x8;
    /** Flags of a request, and of nothing else, that we send. */
    static final int REQUEST_FLAGS = VERSION;
    /** Flags of every reply; QEMU takes no other combination. */
    static final int REPLY_FLAGS = VERSION | REPLY;

    /** The longest payload taken; every payload we know is far shorter. */
    static final int MAX_PAYLOAD_BYTES = 4096;
    /** The most descriptors taken with one message; the protocol needs 8. */
    static final int MAX_DESCRIPTORS = 32;

    static final int U64_BYTES = 8;
    static final int VRING_STATE_BYTES = 8;
    static final int VRING_ADDRESS_BYTES = 40;
    static final int REGION_BYTES = 32;
    static final int TABLE_HEADER_BYTES = 8;
    static final int SINGLE_REGION_BYTES = 40;
    static final int LOG_BYTES = 16;
    static final int CONFIG_HEADER_BYTES = 12;
    static final int MAX_CONFIG_BYTES = 256;
    /** What C compilers make of the inflight description: QEMU compares with this. */
    static final int INFLIGHT_BYTES = 24;
    /** The fields alone, as front-ends without padding send them. */
    static final int INFLIGHT_FIELD_BYTES = 20;
    static final int IOTLB_BYTES = 32;

    /** Regions in one memory table, and slots for single regions. */
    static final int MAX_TABLE_REGIONS = 8;
    static final int MAX_MEMORY_SLOTS = 509;

    static final long VRING_INDEX_MASK = 0xff;
    static final long VRING_NO_DESCRIPTOR = 0x100;
    static final int VRING_ADDRESS_LOG = 0x1;

    static final int CONFIG_WRITABLE = 0;
    static final int CONFIG_MIGRATION = 1;

    static final int MAX_QUEUE_SIZE = 32768;
    static final int MAX_INFLIGHT_QUEUES = 1024;

    private MessageLayout() {}
}
