package io.gatun.daemon.bench;

import io.gatun.linux.Memory;

/**
 * What every block of one queue's share of the disk should hold: the memory of a verifying run.
 *
 * <p>Each sector of 512 bytes starts with its own byte offset on the disk and with the generation of the write and the
 * run's seed; the rest is a sequence that follows from those two, so that a sector that is stale, misplaced, torn or
 * damaged is told apart.
 *
 * <p>A block has one request in flight at most: otherwise no one could say what a read should see.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class BlockStamps {
    private static final int SECTOR = 512;
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    private final long firstOffset;
    private final int blockBytes;
    private final int seed;
    private final int[] generations;
    private final boolean[] busy;

    /**
     * Starts with blocks of unknown content.
     *
     * @param firstOffset where the first block lies on the disk, in bytes
     */
    BlockStamps(long firstOffset, int blocks, int blockBytes, long seed) {
        this.firstOffset = firstOffset;
        this.blockBytes = blockBytes;
        this.seed = (int) seed;
        this.generations = new int[blocks];
        this.busy = new boolean[blocks];
    }

    /** Takes the block, or the next one that has no request in flight; there is one. */
    int claim(int block) {
        int at = block;
        while (busy[at]) {
            at = at + 1 == busy.length ? 0 : at + 1;
        }
        busy[at] = true;
        return at;
    }

    void release(int block) {
        busy[block] = false;
    }

    /** Whether the block was written in this run, so that its content is known. */
    boolean isKnown(int block) {
        return generations[block] != 0;
    }

    /** Prepares a write: the block's next generation, stamped into {@code address}. */
    void fill(long address, int block) {
        int generation = ++generations[block];
        for (int at = 0; at < blockBytes; at += SECTOR) {
            long offset = offset(block) + at;
            long tag = tag(generation);
            Memory.putLong(address + at, offset);
            Memory.putLong(address + at + 8, tag);
            long word = offset ^ tag;
            for (int i = 16; i < SECTOR; i += 8) {
                word = next(word);
                Memory.putLong(address + at + i, word);
            }
        }
    }

    /** Compares what was read with what was written last; null if it is right, else the difference in words. */
    String check(long address, int block) {
        if (!isKnown(block)) {
            return null;
        }
        for (int at = 0; at < blockBytes; at += SECTOR) {
            long offset = offset(block) + at;
            long tag = tag(generations[block]);
            if (Memory.getLong(address + at) != offset || Memory.getLong(address + at + 8) != tag) {
                return wrongStamp(address + at, offset, generations[block]);
            }
            long word = offset ^ tag;
            for (int i = 16; i < SECTOR; i += 8) {
                word = next(word);
                long seen = Memory.getLong(address + at + i);
                if (seen != word) {
                    return String.format(
                            "byte %d: expected 0x%016x of generation %d, saw 0x%016x", offset + i, word,
                            generations[block], seen);
                }
            }
        }
        return null;
    }

    private String wrongStamp(long address, long offset, int generation) {
        long seenOffset = Memory.getLong(address);
        long seenTag = Memory.getLong(address + 8);
        String expected = String.format("byte %d: expected its own stamp of generation %d, saw ", offset, generation);
        if ((int) seenTag == seed) {
            return expected + String.format("byte %d of generation %d", seenOffset, seenTag >>> 32);
        }
        return expected + String.format("0x%016x 0x%016x, which is no stamp of this run", seenOffset, seenTag);
    }

    private long offset(int block) {
        return firstOffset + (long) block * blockBytes;
    }

    private long tag(int generation) {
        return (long) generation << 32 | (seed & 0xffff_ffffL);
    }

    private static long next(long word) {
        long mixed = (word + GOLDEN) * 0xbf58476d1ce4e5b9L;
        return mixed ^ mixed >>> 29;
    }
}
