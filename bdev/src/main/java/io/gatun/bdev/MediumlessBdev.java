package io.gatun.bdev;

import java.util.UUID;

/**
 * A device with no medium behind it: it does every operation, nothing can be lost that was completed, and nothing is
 * refused.
 */
abstract sealed class MediumlessBdev implements Bdev permits MallocBdev, NullBdev {
    final OpenCount openCount;
    private final String name;
    private final UUID uuid;
    private final int blockSizeBytes;
    private final int physicalBlockSizeBytes;

    /** @param release runs when the device and all its channels are closed */
    MediumlessBdev(String name, UUID uuid, int blockSizeBytes, int physicalBlockSizeBytes, Runnable release) {
        this.name = name;
        this.uuid = uuid;
        this.blockSizeBytes = blockSizeBytes;
        this.physicalBlockSizeBytes = physicalBlockSizeBytes;
        this.openCount = new OpenCount(name, release);
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final UUID uuid() {
        return uuid;
    }

    @Override
    public final int blockSizeBytes() {
        return blockSizeBytes;
    }

    @Override
    public final int physicalBlockSizeBytes() {
        return physicalBlockSizeBytes;
    }

    @Override
    public final boolean readOnly() {
        return false;
    }

    @Override
    public final boolean writeCache() {
        return false;
    }

    @Override
    public final boolean supports(int operation) {
        return operation >= BdevRequest.READ && operation <= BdevRequest.WRITE_ZEROES;
    }

    @Override
    public final void close() {
        openCount.closeDevice();
    }
}
