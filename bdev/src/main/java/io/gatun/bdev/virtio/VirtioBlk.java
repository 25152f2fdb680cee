package io.gatun.bdev.virtio;

/** The numbers of virtio-blk: feature bits, layouts, request types, status. Source: VIRTIO 1.3 §5.2. */
public final class VirtioBlk {
    /** The unit of every sector number, whatever the block size (§5.2.5). */
    public static final int SECTOR_BYTES = 512;

    public static final int SECTOR_SHIFT = 9;

    // Feature bits (§5.2.3).
    public static final long F_SIZE_MAX = 1L << 1;
    public static final long F_SEG_MAX = 1L << 2;
    public static final long F_GEOMETRY = 1L << 4;
    public static final long F_RO = 1L << 5;
    public static final long F_BLK_SIZE = 1L << 6;
    public static final long F_FLUSH = 1L << 9;
    public static final long F_TOPOLOGY = 1L << 10;
    public static final long F_CONFIG_WCE = 1L << 11;
    public static final long F_MQ = 1L << 12;
    public static final long F_DISCARD = 1L << 13;
    public static final long F_WRITE_ZEROES = 1L << 14;

    // Offsets in struct virtio_blk_config (§5.2.4).
    public static final int CONFIG_CAPACITY = 0;
    public static final int CONFIG_SIZE_MAX = 8;
    public static final int CONFIG_SEG_MAX = 12;
    public static final int CONFIG_CYLINDERS = 16;
    public static final int CONFIG_HEADS = 18;
    public static final int CONFIG_SECTORS = 19;
    public static final int CONFIG_BLK_SIZE = 20;
    public static final int CONFIG_PHYSICAL_BLOCK_EXP = 24;
    public static final int CONFIG_ALIGNMENT_OFFSET = 25;
    public static final int CONFIG_MIN_IO_SIZE = 26;
    public static final int CONFIG_OPT_IO_SIZE = 28;
    public static final int CONFIG_WRITEBACK = 32;
    public static final int CONFIG_NUM_QUEUES = 34;
    public static final int CONFIG_MAX_DISCARD_SECTORS = 36;
    public static final int CONFIG_MAX_DISCARD_SEG = 40;
    public static final int CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
    public static final int CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
    public static final int CONFIG_MAX_WRITE_ZEROES_SEG = 52;
    public static final int CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;

    /** The whole structure, the fields of secure erase and zones included, which are zero here. */
    public static final int CONFIG_BYTES = 96;

    // struct virtio_blk_req (§5.2.6): type, reserved, sector; then data; then one byte of status.
    public static final int HEADER_TYPE = 0;
    public static final int HEADER_SECTOR = 8;
    public static final int HEADER_BYTES = 16;

    // Request types.
    public static final int T_IN = 0;
    public static final int T_OUT = 1;
    public static final int T_FLUSH = 4;
    public static final int T_GET_ID = 8;
    public static final int T_DISCARD = 11;
    public static final int T_WRITE_ZEROES = 13;

    // Status.
    public static final byte S_OK = 0;
    public static final byte S_IOERR = 1;
    public static final byte S_UNSUPP = 2;

    /** The answer to {@link #T_GET_ID}, padded with zeros. */
    public static final int ID_BYTES = 20;

    // struct virtio_blk_discard_write_zeroes: sector, number of sectors, flags.
    public static final int RANGE_SECTOR = 0;
    public static final int RANGE_SECTORS = 8;
    public static final int RANGE_FLAGS = 12;
    public static final int RANGE_BYTES = 16;

    /** The only flag of a range; for write zeroes only. */
    public static final int RANGE_F_UNMAP = 1;

    private VirtioBlk() {}
}
