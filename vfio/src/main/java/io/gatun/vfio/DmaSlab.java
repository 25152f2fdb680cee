package io.gatun.vfio;

/**
 * Equal blocks of DMA memory to take and give back on the hot path, such as PRP lists: neither locks nor allocates.
 *
 * <p>A block is a number, so that what belongs to it can be an array; its two addresses are looked up once, at the
 * start. No block crosses a page of the device that it could lie inside of: it is aligned to its own size.
 *
 * <p><b>Thread-safety:</b> none; owned by one thread.
 */
public final class DmaSlab {
    /** What {@link #take} returns when all blocks are taken. */
    public static final int NONE = -1;

    private final long[] addresses;
    private final long[] deviceAddresses;
    private final int[] free;
    private int freeCount;

    /**
     * Cuts the blocks out of an arena, which owns their memory.
     *
     * @param blockBytes a power of two, up to a page
     */
    public DmaSlab(DmaArena arena, DmaSpace space, int blockBytes, int count) {
        addresses = new long[count];
        deviceAddresses = new long[count];
        free = new int[count];
        for (int i = 0; i < count; i++) {
            addresses[i] = arena.allocate(blockBytes, blockBytes);
            deviceAddresses[i] = space.translate(addresses[i]);
            free[i] = count - 1 - i;
        }
        freeCount = count;
    }

    /** The number of a free block, or {@link #NONE}. */
    public int take() {
        return freeCount == 0 ? NONE : free[--freeCount];
    }

    /** Gives a block back that was taken. */
    public void give(int block) {
        assert freeCount < free.length : "block " + block + " was not taken";
        free[freeCount++] = block;
    }

    /** Where a block is in this process. */
    public long address(int block) {
        return addresses[block];
    }

    /** Where the device finds a block. */
    public long deviceAddress(int block) {
        return deviceAddresses[block];
    }

    public int freeCount() {
        return freeCount;
    }

    public int count() {
        return addresses.length;
    }
}
