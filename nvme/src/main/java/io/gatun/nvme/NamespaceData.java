package io.gatun.nvme;

/**
 * What a controller says of a namespace: Identify Namespace (NVM figure 97).
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class NamespaceData {
    static final int BYTES = 4096;

    private static final int NSZE = 0;
    private static final int NCAP = 8;
    private static final int NUSE = 16;
    private static final int NSFEAT = 24;
    private static final int NLBAF = 25;
    private static final int FLBAS = 26;
    private static final int DPS = 29;
    private static final int DLFEAT = 33;
    private static final int NOIOB = 46;
    private static final int NPWG = 64;
    private static final int NSATTR = 99;
    private static final int NGUID = 104;
    private static final int EUI64 = 120;
    private static final int LBAF = 128;

    private static final int MIN_SHIFT = 9;
    private static final int MAX_SHIFT = 16;

    /**
     * One of the formats that a namespace can have.
     *
     * @param blockShift the binary logarithm of the bytes of a block; 0 where the format is not there
     * @param metadataBytes bytes of metadata for each block
     * @param relativePerformance 0 (best) to 3 (degraded)
     */
    public record Format(int blockShift, int metadataBytes, int relativePerformance) {
        /** Bytes of data in a block. */
        public int blockBytes() {
            return 1 << blockShift;
        }
    }

    private final byte[] data;

    NamespaceData(byte[] data) {
        this.data = data;
    }

    /** The whole structure, {@value #BYTES} bytes. */
    public byte[] bytes() {
        return data.clone();
    }

    /** NSZE: how many blocks there are. */
    public long blockCount() {
        return Fields.i64(data, NSZE);
    }

    /** NCAP: how many blocks may be allocated at a time. */
    public long capacityBlocks() {
        return Fields.i64(data, NCAP);
    }

    /** NUSE: how many blocks are allocated. */
    public long usedBlocks() {
        return Fields.i64(data, NUSE);
    }

    /** How many formats there are, 1 to 64. */
    public int formatCount() {
        return Math.min(63, Fields.u8(data, NLBAF)) + 1;
    }

    /** The format with a number below {@link #formatCount()}. */
    public Format format(int index) {
        int word = Fields.i32(data, LBAF + 4 * index);
        return new Format(word >>> 16 & 0xff, word & 0xffff, word >>> 24 & 3);
    }

    /** Which format the namespace has. */
    public int formatIndex() {
        int flbas = Fields.u8(data, FLBAS);
        int low = flbas & 0xf;
        return formatCount() > 16 ? low | (flbas >>> 5 & 3) << 4 : low;
    }

    public Format currentFormat() {
        return format(formatIndex());
    }

    /** NOIOB: I/O is faster if it does not cross a multiple of this many blocks; 0 if that is of no matter. */
    public int optimalBoundaryBlocks() {
        return Fields.u16(data, NOIOB);
    }

    /** NPWG: the unit, in blocks, that is written without reading first; 1 where the namespace does not say. */
    public int writeGranularityBlocks() {
        return (Fields.u8(data, NSFEAT) & 1 << 4) == 0 ? 1 : Fields.u16(data, NPWG) + 1;
    }

    public boolean isWriteProtected() {
        return (Fields.u8(data, NSATTR) & 1) != 0;
    }

    /** Whether a Write Zeroes may deallocate the blocks, and they read as zeros then (DLFEAT). */
    public boolean zeroesByDeallocation() {
        int features = Fields.u8(data, DLFEAT);
        return (features & 7) == 1 && (features & 8) != 0;
    }

    /** The 16 bytes of the NGUID, all zero where there is none. */
    public byte[] guid() {
        return java.util.Arrays.copyOfRange(data, NGUID, NGUID + 16);
    }

    /** The EUI-64, as the big-endian number that it is; 0 where there is none. */
    public long eui64() {
        return Long.reverseBytes(Fields.i64(data, EUI64));
    }

    /**
     * Why the namespace cannot be read and written by this driver, or null where it can.
     *
     * @param maxTransferBytes what one command transfers at most
     */
    String unsupported(int maxTransferBytes) {
        Format format = currentFormat();
        if (format.blockShift() < MIN_SHIFT || format.blockShift() > MAX_SHIFT) {
            return "has blocks of 2^" + format.blockShift() + " bytes; 2^" + MIN_SHIFT + " to 2^" + MAX_SHIFT
                    + " are possible";
        }
        if (format.blockBytes() > maxTransferBytes) {
            return "has blocks of " + format.blockBytes() + " bytes, but no command transfers more than "
                    + maxTransferBytes;
        }
        if (format.metadataBytes() != 0 || (Fields.u8(data, DPS) & 7) != 0) {
            return "has " + format.metadataBytes() + " bytes of metadata for each block; format it without any";
        }
        long blocks = blockCount();
        if (blocks <= 0 || blocks > Long.MAX_VALUE >>> format.blockShift()) {
            return "has " + Long.toUnsignedString(blocks) + " blocks";
        }
        return null;
    }
}
