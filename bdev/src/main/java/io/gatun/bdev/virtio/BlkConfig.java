package io.gatun.bdev.virtio;

import io.gatun.bdev.Bdev;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes the configuration space (VIRTIO 1.3 §5.2.4). Every field has its value whether its feature is negotiated or
 * not.
 */
final class BlkConfig {
    /** A data segment's length at most. */
    static final int SIZE_MAX = 1 << 20;

    /** Data segments in a request at most: what fits a ring of 128 beside header and status. */
    static final int SEG_MAX = 126;

    /**
     * A request's length at most, which follows from both. Enforced: a chain may name the same pages many times over,
     * and a reactor's other rings wait while it is copied.
     */
    static final long MAX_BYTES = (long) SEG_MAX * SIZE_MAX;

    private static final int GEOMETRY_HEADS = 16;
    private static final int GEOMETRY_SECTORS = 63;
    private static final int GEOMETRY_MAX_CYLINDERS = 16_383;

    private BlkConfig() {}

    static void write(byte[] target, Bdev bdev, int queues, boolean writeback) {
        long sectors = bdev.capacityBytes() >>> VirtioBlk.SECTOR_SHIFT;
        int physicalSectors = bdev.physicalBlockSizeBytes() / VirtioBlk.SECTOR_BYTES;
        int blocksInPhysical = bdev.physicalBlockSizeBytes() / bdev.blockSizeBytes();
        long cylinders = Math.min(GEOMETRY_MAX_CYLINDERS, sectors / (GEOMETRY_HEADS * GEOMETRY_SECTORS));
        ByteBuffer config = ByteBuffer.wrap(target).order(ByteOrder.LITTLE_ENDIAN);
        config.putLong(VirtioBlk.CONFIG_CAPACITY, sectors);
        config.putInt(VirtioBlk.CONFIG_SIZE_MAX, SIZE_MAX);
        config.putInt(VirtioBlk.CONFIG_SEG_MAX, SEG_MAX);
        config.putShort(VirtioBlk.CONFIG_CYLINDERS, (short) cylinders);
        config.put(VirtioBlk.CONFIG_HEADS, (byte) GEOMETRY_HEADS);
        config.put(VirtioBlk.CONFIG_SECTORS, (byte) GEOMETRY_SECTORS);
        config.putInt(VirtioBlk.CONFIG_BLK_SIZE, bdev.blockSizeBytes());
        config.put(
                VirtioBlk.CONFIG_PHYSICAL_BLOCK_EXP, (byte) Integer.numberOfTrailingZeros(blocksInPhysical));
        config.put(VirtioBlk.CONFIG_ALIGNMENT_OFFSET, (byte) 0);
        config.putShort(VirtioBlk.CONFIG_MIN_IO_SIZE, (short) blocksInPhysical);
        config.putInt(VirtioBlk.CONFIG_OPT_IO_SIZE, 0);
        config.put(VirtioBlk.CONFIG_WRITEBACK, (byte) (writeback ? 1 : 0));
        config.putShort(VirtioBlk.CONFIG_NUM_QUEUES, (short) queues);
        config.putInt(VirtioBlk.CONFIG_MAX_DISCARD_SECTORS, BlkRanges.MAX_DISCARD_SECTORS);
        config.putInt(VirtioBlk.CONFIG_MAX_DISCARD_SEG, BlkRanges.MAX_RANGES);
        config.putInt(VirtioBlk.CONFIG_DISCARD_SECTOR_ALIGNMENT, physicalSectors);
        config.putInt(VirtioBlk.CONFIG_MAX_WRITE_ZEROES_SECTORS, BlkRanges.MAX_WRITE_ZEROES_SECTORS);
        config.putInt(VirtioBlk.CONFIG_MAX_WRITE_ZEROES_SEG, BlkRanges.MAX_RANGES);
        config.put(VirtioBlk.CONFIG_WRITE_ZEROES_MAY_UNMAP, (byte) 1);
    }
}
