package io.gatun.vring;

/**
 * A split queue's region of the in-flight buffer (vhost-user, "Inflight I/O tracking"), for {@code n} entries.
 *
 * <pre>
 * header                          entry i: the chain whose head is descriptor i
 * +----------------------+ 0      +----------------+ 0
 * | features        u64  |        | inflight   u8  |  1 from pop until its used entry is published
 * | version         u16  | 8      | (padding)      | 1
 * | desc_num = n    u16  | 10     | next       u16 | 6   put used before it, towards older ones
 * | last_batch_head u16  | 12     | counter    u64 | 8   order of popping
 * | used_idx        u16  | 14     +----------------+ 16
 * +----------------------+ 16
 * </pre>
 */
final class SplitInflightLayout {
    static final int FEATURES = 0;
    static final int VERSION = 8;
    static final int ENTRY_COUNT = 10;
    static final int LAST_BATCH_HEAD = 12;
    static final int USED_IDX = 14;

    static final int HEADER_BYTES = 16;

    static final int ENTRY_SHIFT = 4;
    static final int ENTRY_INFLIGHT = 0;
    static final int ENTRY_NEXT = 6;
    static final int ENTRY_COUNTER = 8;

    private SplitInflightLayout() {}

    static long regionBytes(int entries) {
        return HEADER_BYTES + ((long) entries << ENTRY_SHIFT);
    }
}
