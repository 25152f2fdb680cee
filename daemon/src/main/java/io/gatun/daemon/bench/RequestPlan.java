package io.gatun.daemon.bench;

/**
 * Which block comes next, and whether it is read or written: random or one after the other, endless or once over.
 *
 * <p>A plan is one class without subtypes, so that the one call per request is inlined.
 */
final class RequestPlan {
    private final long blocks;
    private final boolean random;
    private final boolean mixed;
    private final boolean write;
    private final long writeThreshold;
    private long state;
    private long cursor;
    private long left;

    private RequestPlan(long blocks, boolean random, int readPercent, long seed, long count) {
        this.blocks = blocks;
        this.random = random;
        this.mixed = readPercent != 0 && readPercent != 100;
        this.write = readPercent == 0;
        this.writeThreshold = (100L - readPercent) * (1L << 32) / 100;
        // Xorshift needs a state that is not zero; neighbouring seeds are spread.
        this.state = seed * 0x9e3779b97f4a7c15L | 1;
        this.left = count;
    }

    /** Goes on until nobody asks any more. */
    static RequestPlan endless(long blocks, boolean random, int readPercent, long seed) {
        return new RequestPlan(blocks, random, readPercent, seed, Long.MAX_VALUE);
    }

    /** Every block once, in order. */
    static RequestPlan once(long blocks, boolean write) {
        return new RequestPlan(blocks, false, write ? 0 : 100, 1, blocks);
    }

    /** The next request, as {@code block << 1 | write}, or -1 if there is no more. */
    long next() {
        if (left == 0) {
            return -1;
        }
        left--;
        long block;
        if (random) {
            block = Math.unsignedMultiplyHigh(step(), blocks);
        } else {
            block = cursor;
            cursor = block + 1 == blocks ? 0 : block + 1;
        }
        boolean writes = mixed ? (step() & 0xffff_ffffL) < writeThreshold : write;
        return block << 1 | (writes ? 1 : 0);
    }

    private long step() {
        long x = state;
        x ^= x << 13;
        x ^= x >>> 7;
        x ^= x << 17;
        state = x;
        // The multiplication makes the high bits, which choose the block, depend on all others.
        return x * 0x2545f4914f6cdd1dL;
    }
}
