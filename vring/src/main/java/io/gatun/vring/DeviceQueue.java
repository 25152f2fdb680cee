package io.gatun.vring;

import io.gatun.linux.Memory;

/**
 * The device side of one virtqueue, split or packed: takes the chains a driver made available and gives them back used.
 *
 * <p>A duty cycle reads {@code pop} until it returns false or its budget is spent, {@code putUsed} for what is
 * finished, then {@code publishUsed} once, which says whether the driver wants to be told. Nothing a driver writes is
 * trusted: a violation breaks the queue ({@link #isBroken}), and a broken queue hands out and publishes nothing more.
 *
 * <p>If the memory under the rings vanishes (its file was truncated), any method may throw {@link InternalError}; the
 * caller gives up on the queue.
 *
 * <p><b>Thread-safety:</b> one owner thread, no locks. Ordering against the driver is stated at each access.
 */
public abstract sealed class DeviceQueue permits SplitDeviceQueue, PackedDeviceQueue {
    /** See {@link #longestChain}; the limit of QEMU's own devices. */
    private static final int LONGEST_TABLE = 1024;

    private final int size;
    private final long features;
    private GuestMemory memory;
    private String brokenReason;

    DeviceQueue(int size, long features, GuestMemory memory) {
        this.size = size;
        this.features = features;
        this.memory = memory;
    }

    /**
     * Makes the queue that the negotiated features ask for; throws {@link IllegalArgumentException} with what is wrong.
     */
    public static DeviceQueue create(QueueConfig config) {
        return VirtioFeatures.has(config.features(), VirtioFeatures.RING_PACKED)
                ? new PackedDeviceQueue(config)
                : new SplitDeviceQueue(config);
    }

    /** Number of descriptors. */
    public final int size() {
        return size;
    }

    /**
     * How many descriptors a chain may have by way of an indirect table. The specification says: the queue's size. But
     * Linux fills a table up to the limits of the device, such as virtio-blk's {@code seg_max}, whatever the size, and
     * the devices that it meets let it.
     */
    final int longestChain() {
        return Math.max(size, LONGEST_TABLE);
    }

    public final long features() {
        return features;
    }

    /** Takes the next available chain; false if there is none or the queue is broken. */
    public abstract boolean pop(DescriptorChain chain);

    /**
     * Gives a chain back. The driver sees it after {@link #publishUsed}.
     *
     * @param writtenBytes how many bytes of the writable segments were written, from the first on
     */
    public abstract void putUsed(DescriptorChain chain, long writtenBytes);

    /**
     * Takes up to {@code max} available chains at once, for queues without an in-flight log; returns how many, 0 if
     * there is none or the queue is broken. {@code max} is 1 to the burst's capacity.
     *
     * <p>Buffers of one descriptor, which is what packets usually are, take a path of their own: what is to be read for
     * all of them is read together, so that the misses overlap.
     */
    public abstract int popBurst(ChainBurst burst, int max);

    /**
     * Gives the chains from {@code keep} on back, unused: the next pop takes them again. For the burst that was popped
     * last, before any of its chains is put used.
     */
    public abstract void unpop(ChainBurst burst, int keep);

    /**
     * As {@link #putUsed} for the chains {@code [from, to)} of a burst, with what {@link ChainBurst#writtenBytes} says
     * of each.
     */
    public abstract void putUsedBurst(ChainBurst burst, int from, int to);

    /** Makes every chain put since the last call visible; true if the driver wants a call for them. */
    public abstract boolean publishUsed();

    /** Tells the driver that kicks are not needed: the queue is being polled. */
    public abstract void suppressKicks();

    /** Asks for a kick; true if nothing is available, so that sleeping is safe, false if there is work already. */
    public abstract boolean armKicks();

    /**
     * Whether the queue goes on where a predecessor died, which may have published used buffers and not lived to call
     * the driver: the caller calls once, as soon as it can, or the driver may wait for ever.
     */
    public abstract boolean mayOweCall();

    /** Where a successor goes on, in vhost-user's encoding (see {@link QueueConfig#base}). */
    public abstract int base();

    /**
     * Continues on another snapshot of memory. Chains popped earlier keep their old addresses, so the caller sees to it
     * that there are none, or that the old mappings outlive them.
     *
     * @return false if the rings themselves are not mapped any more; the queue is then broken
     */
    public final boolean replaceMemory(GuestMemory replacement) {
        memory = replacement;
        String problem = mapRings(replacement);
        return problem == null || fail(problem);
    }

    /**
     * Reads the ends of every memory region, to find out, with {@link Memory#settle}, whether one has
     * been truncated.
     */
    public final void touchMemory() {
        for (GuestMemory.Region region : memory.regions()) {
            Memory.touch(region.hostAddress(), region.lengthBytes());
        }
    }

    /** Translates the ring addresses; null, or what is wrong with them. */
    abstract String mapRings(GuestMemory replacement);

    /** What is wrong with a ring's place in memory, or null. */
    static String ringProblem(String ring, long userAddress, long hostAddress, int alignment) {
        if (hostAddress == GuestMemory.UNMAPPED) {
            return String.format("the %s at user address 0x%x is not inside one memory region", ring, userAddress);
        }
        if (hostAddress % alignment != 0) {
            return String.format("the %s at user address 0x%x is not %d-byte aligned", ring, userAddress, alignment);
        }
        return null;
    }

    /** Whether the driver broke the rules; see {@link #brokenReason}. */
    public final boolean isBroken() {
        return brokenReason != null;
    }

    /** What the driver did wrong, in words, or null. */
    public final String brokenReason() {
        return brokenReason;
    }

    /**
     * Breaks the queue on behalf of the device, which found a chain that it cannot answer: no room for what it must
     * write, for instance. The first reason stays.
     */
    public final void breakQueue(String reason) {
        fail(reason);
    }

    /** Breaks the queue; the first reason stays. Returns false, for callers that return it. */
    final boolean fail(String reason) {
        if (brokenReason == null) {
            brokenReason = reason;
        }
        return false;
    }

    final GuestMemory memory() {
        return memory;
    }

    /** Translates a range that makes one segment; {@link GuestMemory#UNMAPPED} for all that {@link #append} is for. */
    static long oneSegment(GuestMemory memory, long guestAddress, long lengthBytes) {
        // Unsigned, so that 0 is out of range too.
        return Long.compareUnsigned(lengthBytes - 1, DescriptorChain.MAX_SEGMENT_BYTES) < 0
                ? memory.translate(guestAddress, lengthBytes)
                : GuestMemory.UNMAPPED;
    }

    /** Bursts have no in-flight log: whoever uses them does not offer one. */
    static void requireNoLog(Object inflight) {
        if (inflight != null) {
            throw new IllegalStateException("bursts of chains, on a queue with an in-flight log");
        }
    }

    /** Appends a guest's range to a chain, or breaks the queue and returns false. */
    final boolean append(DescriptorChain chain, long guestAddress, long lengthBytes, boolean writable) {
        if (lengthBytes <= DescriptorChain.MAX_SEGMENT_BYTES && lengthBytes != 0) {
            long host = memory.translate(guestAddress, lengthBytes);
            if (host != GuestMemory.UNMAPPED) {
                chain.append(host, (int) lengthBytes, writable);
                return true;
            }
        }
        return appendInPieces(chain, guestAddress, lengthBytes, writable);
    }

    /** The rare ranges: across regions, longer than a segment, unmapped, or empty. */
    private boolean appendInPieces(DescriptorChain chain, long guestAddress, long lengthBytes, boolean writable) {
        if (lengthBytes == 0) {
            return fail("a descriptor has length 0");
        }
        long address = guestAddress;
        long left = lengthBytes;
        while (left > 0) {
            long piece = Math.min(left, Math.min(memory.contiguousBytes(address), DescriptorChain.MAX_SEGMENT_BYTES));
            if (piece == 0) {
                return fail(String.format(
                        "guest address 0x%x, in a descriptor of %d bytes at 0x%x, is in no memory region",
                        address, lengthBytes, guestAddress));
            }
            chain.append(memory.translate(address, piece), (int) piece, writable);
            address += piece;
            left -= piece;
        }
        return true;
    }
}
