package io.gatun.nvme.bdev;

import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;

/**
 * Buffers that the drive reaches, for data that it cannot be told of in place; the memory is taken when the first is
 * needed.
 *
 * <p><b>Thread-safety:</b> belongs to its queue's thread.
 */
final class BounceBuffers implements AutoCloseable {
    static final int NONE = -1;
    static final int BYTES = 64 << 10;

    private static final int COUNT = 16;

    private final DmaSpace space;
    private final int[] free = new int[COUNT];
    private int freeCount = COUNT;
    private DmaBuffer memory;

    BounceBuffers(DmaSpace space) {
        this.space = space;
        for (int i = 0; i < COUNT; i++) {
            free[i] = i;
        }
    }

    /** A free buffer, or {@link #NONE}; throws {@link io.gatun.linux.LinuxException} where there is no memory. */
    int take() {
        if (freeCount == 0) {
            return NONE;
        }
        if (memory == null) {
            memory = space.allocate((long) COUNT * BYTES);
        }
        freeCount--;
        return free[freeCount];
    }

    void give(int buffer) {
        free[freeCount] = buffer;
        freeCount++;
    }

    long address(int buffer) {
        return memory.address() + (long) buffer * BYTES;
    }

    @Override
    public void close() {
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }
}
