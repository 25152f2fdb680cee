package io.gatun.examples.flow;

/**
 * A field that a flow matches, and where it is in a key.
 *
 * <p>A key is what the switch knows of a packet, in {@value #WORDS} words:
 *
 * <pre>
 * 0  dl_dst 48 | dl_type 16
 * 1  dl_src 48 | vlan_tci 16, with the bit 0x1000 set where there is a tag
 * 2  in_port 16 | nw_proto 8 | nw_tos 8 | tp_src 16 | tp_dst 16
 * 3  nw_src 32 | nw_dst 32
 * 4  ipv6_src 128
 * 6  ipv6_dst 128
 * 8  the tags below the outermost, the next one in the lowest 16 bits: what pop_vlan leads to, and no flow matches
 * </pre>
 *
 * <p>Of {@code nw_tos} the two bits of congestion notification are left out, as in OVS.
 *
 * <p>A field that a packet does not have is 0, so that a match on one demands of its packets what brings it along, such
 * as {@code dl_type=0x0800} for {@code nw_src}.
 */
enum Field {
    DL_DST("dl_dst", 0, 16, 48),
    DL_TYPE("dl_type", 0, 0, 16),
    DL_SRC("dl_src", 1, 16, 48),
    VLAN_TCI("vlan_tci", 1, 0, 16),
    DL_VLAN("dl_vlan", 1, 0, 12),
    DL_VLAN_PCP("dl_vlan_pcp", 1, 13, 3),
    IN_PORT("in_port", 2, 48, 16),
    NW_PROTO("nw_proto", 2, 40, 8),
    NW_TOS("nw_tos", 2, 32, 8),
    TP_SRC("tp_src", 2, 16, 16),
    TP_DST("tp_dst", 2, 0, 16),
    NW_SRC("nw_src", 3, 32, 32),
    NW_DST("nw_dst", 3, 0, 32),
    IPV6_SRC("ipv6_src", 4, 0, 128),
    IPV6_DST("ipv6_dst", 6, 0, 128);

    /** Words of a key. */
    static final int WORDS = 9;

    /** The word with the tags below the outermost, each as {@link #VLAN_TCI} would be; 0 where there is none. */
    static final int TAGS_BELOW = 8;

    /** In {@link #VLAN_TCI}: there is a tag. */
    static final int TAG_PRESENT = 0x1000;

    final String label;
    final int word;
    final int shift;
    final int bits;

    Field(String label, int word, int shift, int bits) {
        this.label = label;
        this.word = word;
        this.shift = shift;
        this.bits = bits;
    }

    /** All bits of the field, in its word; of one with two words, in each. */
    long mask() {
        return bits >= 64 ? -1 : ((1L << bits) - 1) << shift;
    }

    /** The value in a key; of a field with two words, the second. */
    long get(long[] key) {
        return bits == 128 ? key[word + 1] : (key[word] & mask()) >>> shift;
    }

    /** Writes a value into a key; {@code high} is the first word of a field with two. */
    void put(long[] key, long high, long low) {
        if (bits == 128) {
            key[word] = high;
            key[word + 1] = low;
        } else {
            key[word] = (key[word] & ~mask()) | (low << shift & mask());
        }
    }
}
