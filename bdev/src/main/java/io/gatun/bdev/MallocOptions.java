package io.gatun.bdev;

import java.util.Objects;
import java.util.UUID;

/**
 * What a {@link MallocBdev} is made from; the constructor refuses what cannot be, with {@link
 * IllegalArgumentException}.
 *
 * @param name of the device
 * @param uuid of the device
 * @param blockSizeBytes 512 or 4096
 * @param physicalBlockSizeBytes a power of two from {@code blockSizeBytes} on
 * @param blockCount how many blocks, at least 1
 * @param hugepages whether the disk lies on reserved hugepages, all of them taken from the pool now
 */
public record MallocOptions(
        String name, UUID uuid, int blockSizeBytes, int physicalBlockSizeBytes, long blockCount, boolean hugepages) {
    public MallocOptions {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(uuid, "uuid");
        Geometry.check(blockSizeBytes, physicalBlockSizeBytes, blockCount);
    }

    /** A disk of {@code capacityBytes} in blocks of {@code blockSizeBytes}, with a random UUID. */
    public static MallocOptions of(String name, long capacityBytes, int blockSizeBytes) {
        return new MallocOptions(
                name,
                UUID.randomUUID(),
                blockSizeBytes,
                blockSizeBytes,
                Geometry.blockCount(capacityBytes, blockSizeBytes),
                false);
    }

    /** The size of the disk. */
    public long capacityBytes() {
        return blockCount * blockSizeBytes;
    }
}
