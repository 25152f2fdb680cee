package io.gatun.bdev;

import java.util.Objects;
import java.util.UUID;

/**
 * What a {@link NullBdev} is made from; the constructor refuses what cannot be, with {@link IllegalArgumentException}.
 *
 * @param name of the device
 * @param uuid of the device
 * @param blockSizeBytes 512 or 4096
 * @param physicalBlockSizeBytes a power of two from {@code blockSizeBytes} on
 * @param blockCount how many blocks, at least 1
 */
public record NullOptions(String name, UUID uuid, int blockSizeBytes, int physicalBlockSizeBytes, long blockCount) {
    public NullOptions {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(uuid, "uuid");
        Geometry.check(blockSizeBytes, physicalBlockSizeBytes, blockCount);
    }

    /** A device of {@code capacityBytes} in blocks of {@code blockSizeBytes}, with a random UUID. */
    public static NullOptions of(String name, long capacityBytes, int blockSizeBytes) {
        return new NullOptions(
                name,
                UUID.randomUUID(),
                blockSizeBytes,
                blockSizeBytes,
                Geometry.blockCount(capacityBytes, blockSizeBytes));
    }
}
