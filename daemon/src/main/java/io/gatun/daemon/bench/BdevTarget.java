package io.gatun.daemon.bench;

import io.gatun.bdev.Bdev;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;
import java.util.ArrayList;
import java.util.List;

/** A block device of this process, with data where the device reaches them. */
final class BdevTarget extends BlkTarget {
    private final Bdev bdev;
    private final DmaSpace memory;
    private final int queueLimit;
    private final BlkBenchOptions options;
    private final List<DmaBuffer> buffers = new ArrayList<>();

    /** Both the device and the memory stay the caller's. */
    BdevTarget(Bdev bdev, DmaSpace memory, int queueLimit, BlkBenchOptions options) {
        this.bdev = bdev;
        this.memory = memory;
        this.queueLimit = queueLimit;
        this.options = options;
    }

    @Override
    long capacityBytes() {
        return bdev.capacityBytes();
    }

    @Override
    int blockSizeBytes() {
        return bdev.blockSizeBytes();
    }

    @Override
    long maxRequestBytes() {
        return Long.MAX_VALUE;
    }

    @Override
    boolean isReadOnly() {
        return bdev.readOnly();
    }

    @Override
    int queueLimit() {
        return queueLimit;
    }

    @Override
    boolean isHuge() {
        return !buffers.isEmpty() && buffers.stream().allMatch(DmaBuffer::isHuge);
    }

    @Override
    boolean isConnected() {
        return true;
    }

    @Override
    BlkTransport transport(int queue) {
        DmaBuffer data = memory.allocate((long) options.queueDepth() * options.blockSizeBytes());
        buffers.add(data);
        return new BdevTransport(
                bdev.openChannel(null), data.address(), options.queueDepth(), options.blockSizeBytes());
    }

    @Override
    public void close() {
        buffers.forEach(DmaBuffer::close);
    }
}
