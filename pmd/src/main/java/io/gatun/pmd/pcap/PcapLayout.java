package io.gatun.pmd.pcap;

/**
 * The capture file format (draft-ietf-opsawg-pcap), as written here: little-endian, with nanoseconds.
 *
 * <pre>
 * file    0 magic   4 major   6 minor   8 reserved   12 reserved   16 snap length   20 link type   24
 * record  0 seconds   4 fraction   8 captured bytes   12 original bytes   16 captured bytes of the packet …
 * </pre>
 */
final class PcapLayout {
    static final int FILE_HEADER_BYTES = 24;
    static final int MAJOR = 4;
    static final int MINOR = 6;
    static final int SNAP_LENGTH = 16;
    static final int LINK_TYPE = 20;

    static final int RECORD_HEADER_BYTES = 16;
    static final int SECONDS = 0;
    static final int FRACTION = 4;
    static final int CAPTURED = 8;
    static final int ORIGINAL = 12;

    static final int MAGIC_MICROSECONDS = 0xa1b2c3d4;
    static final int MAGIC_NANOSECONDS = 0xa1b23c4d;

    /** What a file of the newer, different format begins with (draft-ietf-opsawg-pcapng). */
    static final int MAGIC_PCAPNG = 0x0a0d0d0a;

    /** LINKTYPE_ETHERNET; the upper bits of its field are about frame check sequences. */
    static final int ETHERNET = 1;

    static final int LINK_TYPE_MASK = 0xffff;

    /** The longest packet that readers of this format expect (tcpdump's largest snap length). */
    static final int MAX_SNAP_LENGTH = 262_144;

    private PcapLayout() {}
}
