package io.gatun.vring;

/**
 * A packed queue's region of the in-flight buffer (vhost-user, "Inflight I/O tracking"), for {@code n} entries.
 *
 * <pre>
 * header                         entry: the copy of one descriptor
 * +---------------------+ 0      +---------------+ 0
 * | features       u64  |        | inflight  u8  |     1 while the chain that starts here is in flight
 * | version        u16  | 8      | (padding) u8  |
 * | desc_num = n   u16  | 10     | next      u16 | 2   next descriptor of the chain, or next free entry
 * | free_head      u16  | 12     | last      u16 | 4   last entry of the chain that starts here
 * | old_free_head  u16  | 14     | num       u16 | 6   how many entries that chain has
 * | used_idx       u16  | 16     | counter   u64 | 8   order of popping
 * | old_used_idx   u16  | 18     | id        u16 | 16  -+
 * | used_wrap      u8   | 20     | flags     u16 | 18   | the descriptor
 * | old_used_wrap  u8   | 21     | len       u32 | 20   |
 * | (padding)           | 22     | addr      u64 | 24  -+
 * +---------------------+ 32     +---------------+ 32
 * </pre>
 *
 * <p>Fields that must change together share an aligned word, so that a single store changes them and no crash comes
 * between.
 */
final class PackedInflightLayout {
    static final int FEATURES = 0;
    static final int VERSION = 8;
    static final int ENTRY_COUNT = 10;
    static final int FREE_HEAD = 12;
    static final int OLD_FREE_HEAD = 14;

    /** Offset of {@code used_idx}, {@code old_used_idx} and their wrap counters: one aligned 64-bit word. */
    static final int USED_WORD = 16;

    static final int USED_WORD_OLD_SHIFT = 16;
    static final int USED_WORD_WRAP_SHIFT = 32;
    static final int USED_WORD_OLD_WRAP_SHIFT = 40;

    static final int HEADER_BYTES = 32;

    static final int ENTRY_SHIFT = 5;

    /** Offset of {@code inflight}, {@code next}, {@code last} and {@code num}: one aligned 64-bit word. */
    static final int ENTRY_STATE = 0;

    static final int ENTRY_NEXT = 2;
    static final int ENTRY_COUNTER = 8;

    /**
     * Offset of {@code id}, {@code flags} and {@code len}: one aligned 64-bit word, in another order than the ring's.
     */
    static final int ENTRY_WORD = 16;

    static final int ENTRY_ADDRESS = 24;

    static final int STATE_NEXT_SHIFT = 16;
    static final int STATE_LAST_SHIFT = 32;
    static final int STATE_NUM_SHIFT = 48;

    private PackedInflightLayout() {}

    static long regionBytes(int entries) {
        return HEADER_BYTES + ((long) entries << ENTRY_SHIFT);
    }
}
