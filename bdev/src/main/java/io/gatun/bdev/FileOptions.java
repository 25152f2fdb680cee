package io.gatun.bdev;

import java.nio.file.Path;
import java.util.Objects;
import java.util.UUID;

/**
 * What a {@link FileBdev} is made from; the constructor refuses what cannot be, with {@link IllegalArgumentException}.
 *
 * @param name of the device
 * @param uuid of the device
 * @param path a regular file or a block device that exists
 * @param blockSizeBytes 512 or 4096: what the device's users see, whatever lies beneath
 * @param direct whether the page cache is bypassed (O_DIRECT)
 * @param readOnly whether the file is opened for reading only; many may then share it
 */
public record FileOptions(String name, UUID uuid, Path path, int blockSizeBytes, boolean direct, boolean readOnly) {
    public FileOptions {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(uuid, "uuid");
        Objects.requireNonNull(path, "path");
        Geometry.check(blockSizeBytes, blockSizeBytes, 1);
    }

    /** A writable file in blocks of 512 bytes, through the page cache, with a random UUID. */
    public static FileOptions of(String name, Path path) {
        return new FileOptions(name, UUID.randomUUID(), path, 512, false, false);
    }

    /** These options with another block size. */
    public FileOptions withBlockSizeBytes(int bytes) {
        return new FileOptions(name, uuid, path, bytes, direct, readOnly);
    }

    /** These options with the page cache bypassed, or not. */
    public FileOptions withDirect(boolean value) {
        return new FileOptions(name, uuid, path, blockSizeBytes, value, readOnly);
    }

    /** These options for reading only, or not. */
    public FileOptions withReadOnly(boolean value) {
        return new FileOptions(name, uuid, path, blockSizeBytes, direct, value);
    }
}
