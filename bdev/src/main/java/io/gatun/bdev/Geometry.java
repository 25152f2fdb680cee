package io.gatun.bdev;

/** The rules for block sizes and counts that every device shares. */
final class Geometry {
    /** No device is larger: 2^56 bytes leave room for every sum of an offset and a length. */
    static final long MAX_CAPACITY_BYTES = 1L << 56;

    private Geometry() {}

    /** Throws {@link IllegalArgumentException} naming the value and what is accepted. */
    static void check(int blockSizeBytes, int physicalBlockSizeBytes, long blockCount) {
        if (blockSizeBytes != 512 && blockSizeBytes != 4096) {
            throw new IllegalArgumentException("block size must be 512 or 4096, not " + blockSizeBytes);
        }
        if (physicalBlockSizeBytes < blockSizeBytes || Integer.bitCount(physicalBlockSizeBytes) != 1) {
            throw new IllegalArgumentException("physical block size must be a power of two from " + blockSizeBytes
                    + " on, not " + physicalBlockSizeBytes);
        }
        if (blockCount < 1 || blockCount > MAX_CAPACITY_BYTES / blockSizeBytes) {
            throw new IllegalArgumentException("a device of " + blockCount + " blocks of " + blockSizeBytes
                    + " bytes; it must have from 1 block to " + MAX_CAPACITY_BYTES + " bytes");
        }
    }

    /** How many blocks make up a size that is given in bytes; throws where it is not a whole number. */
    static long blockCount(long capacityBytes, int blockSizeBytes) {
        if (blockSizeBytes <= 0 || capacityBytes % blockSizeBytes != 0) {
            throw new IllegalArgumentException(
                    "size must be a multiple of the block size " + blockSizeBytes + ", not " + capacityBytes);
        }
        return capacityBytes / blockSizeBytes;
    }
}
