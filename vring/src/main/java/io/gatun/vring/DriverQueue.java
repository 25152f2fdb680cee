package io.gatun.vring;

/**
 * The driver's side of a virtqueue: makes buffers available and collects the used ones.
 *
 * <p>Used by our own front-end (bench, tests, virtio-user), so the device is a peer like any other: what it writes is
 * validated, and a violation makes the queue broken, with a reason in words. A broken queue pops nothing more and
 * accepts nothing more.
 *
 * <p>A full queue is a value, not an exception: {@link #add} answers −1.
 *
 * <p><b>Thread-safety:</b> all methods belong to one owner thread; the device is another thread or process and is met
 * only through ring memory.
 */
public abstract sealed class DriverQueue permits SplitDriverQueue, PackedDriverQueue {
    /** The alignment of the ring memory that {@link #create} takes. */
    public static final int ALIGNMENT_BYTES = 4096;

    /** Each part begins on its own pair of cache lines: the two sides never write into the same one. */
    static final int PART_ALIGNMENT = 128;

    /** The longest buffer, all segments together (VIRTIO 1.3 §2.7.5.2). */
    static final long MAX_BUFFER_BYTES = 1L << 32;

    final int size;
    final long userMinusHost;

    /** What {@link #usedLength()} answers. */
    long usedLength;

    private String brokenReason;

    DriverQueue(int size, long hostAddress, long userAddress) {
        if (hostAddress % ALIGNMENT_BYTES != 0 || userAddress % ALIGNMENT_BYTES != 0) {
            throw new IllegalArgumentException(String.format(
                    "ring memory must be aligned to %d bytes: host address 0x%x, user address 0x%x",
                    ALIGNMENT_BYTES, hostAddress, userAddress));
        }
        this.size = size;
        this.userMinusHost = userAddress - hostAddress;
    }

    /**
     * Bytes of ring memory to reserve for a queue of {@code size} descriptors: a multiple of {@link #ALIGNMENT_BYTES}.
     */
    public static long memoryBytes(boolean packed, int size) {
        return packed ? PackedDriverQueue.memoryBytes(size) : SplitDriverQueue.memoryBytes(size);
    }

    /**
     * Makes an empty queue.
     *
     * @param packed whether VIRTIO_F_RING_PACKED was negotiated
     * @param size number of descriptors, 1–32768; a power of two for a split queue
     * @param features negotiated feature bits
     * @param hostAddress where {@link #memoryBytes} zeroed bytes of ring memory are mapped here
     * @param userAddress the same memory in the address space that the back-end is told about
     * @throws IllegalArgumentException if a size or an address is not as required
     */
    public static DriverQueue create(boolean packed, int size, long features, long hostAddress, long userAddress) {
        return packed
                ? new PackedDriverQueue(size, features, hostAddress, userAddress)
                : new SplitDriverQueue(size, features, hostAddress, userAddress);
    }

    /** User address of the descriptor table (split) or of the descriptor ring (packed). */
    public final long descriptorAddress() {
        return descriptorHost() + userMinusHost;
    }

    /** User address of the available ring (split) or of the driver's event suppression structure (packed). */
    public final long availAddress() {
        return availHost() + userMinusHost;
    }

    /** User address of the used ring (split) or of the device's event suppression structure (packed). */
    public final long usedAddress() {
        return usedHost() + userMinusHost;
    }

    abstract long descriptorHost();

    abstract long availHost();

    abstract long usedHost();

    /** The number of descriptors in the ring. */
    public final int size() {
        return size;
    }

    /** How many descriptors are free: a direct buffer takes one per segment, an indirect one takes one. */
    public abstract int free();

    /**
     * Adds one buffer of direct descriptors; the device sees it after {@link #publishAvailable()}.
     *
     * @param addresses guest address of each segment
     * @param lengths length of each segment in bytes, unsigned
     * @param first index of the buffer's first segment in both arrays
     * @param readable how many segments the device reads
     * @param writable how many segments, after those, the device writes; the two make at least one
     * @return the buffer's id in {@code [0, size)}, unique among those not yet popped, or −1 if it does not fit or the
     *     queue is broken
     * @throws IllegalArgumentException if the buffer is longer than 2³² bytes
     */
    public abstract int add(long[] addresses, int[] lengths, int first, int readable, int writable);

    /**
     * The id that {@link #addOne} gives next, or −1 if no descriptor is free: whoever keeps a buffer per id can fill
     * the right one first.
     */
    public abstract int nextId();

    /**
     * Adds a buffer of one direct descriptor, as queues of packets do; the device sees it after {@link
     * #publishAvailable()}.
     *
     * @param address guest address of its bytes
     * @param lengthBytes how many, unsigned
     * @param writable whether the device writes them, or reads them
     * @return as {@link #add}
     */
    public abstract int addOne(long address, int lengthBytes, boolean writable);

    /**
     * Adds one buffer through a table of descriptors, which takes a single slot of the ring.
     *
     * @param tableHost where the table goes: 16 bytes per segment, unused until the buffer is popped
     * @param tableGuest the table's guest address
     * @return as {@link #add}; a buffer of more segments than the queue's size never fits (VIRTIO 1.3 §2.7.5.3.1)
     * @throws IllegalStateException if VIRTIO_F_INDIRECT_DESC was not negotiated
     */
    public abstract int addIndirect(
            long tableHost, long tableGuest, long[] addresses, int[] lengths, int first, int readable, int writable);

    /**
     * Reserves descriptors for one buffer that is made available again and again, so that they are written once and
     * stay in the device's cache.
     *
     * @return the buffer's id for {@link #addPrepared}, or −1 if it does not fit, or if this layout writes descriptors
     *     anew each time anyway: packed rings, and those in order
     * @throws IllegalArgumentException if the buffer is longer than 2³² bytes
     */
    public int prepare(long[] addresses, int[] lengths, int first, int readable, int writable) {
        return -1;
    }

    /** Adds a prepared buffer, which is not outstanding; the device sees it after {@link #publishAvailable()}. */
    public void addPrepared(int id) {
        throw new IllegalStateException("buffer " + id + " was not prepared");
    }

    /** Makes every added buffer visible to the device; returns whether it wants a kick. */
    public abstract boolean publishAvailable();

    /** The id of the next buffer that the device has used, or −1 if there is none or the queue is broken. */
    public abstract int popUsed();

    /** How many bytes the device says it wrote into the buffer just popped; data beyond them is not to be trusted. */
    public final long usedLength() {
        return usedLength;
    }

    /** Tells the device that we poll: it need not call. A hint; calls may still come. */
    public abstract void suppressCalls();

    /**
     * Asks for a call, in order to sleep. Returns true if armed and nothing is used (safe to sleep); false if there is
     * work, with calls suppressed again.
     */
    public abstract boolean armCalls();

    /** Whether the device violated the protocol on this queue. */
    public final boolean isBroken() {
        return brokenReason != null;
    }

    /** The violation in words, or null. */
    public final String brokenReason() {
        return brokenReason;
    }

    /** Marks the queue broken; the first reason stays. Returns −1, for {@link #popUsed} to return. */
    final int breakQueue(String reason) {
        if (brokenReason == null) {
            brokenReason = reason;
        }
        return -1;
    }

    static long align(long value, long alignment) {
        return (value + alignment - 1) & -alignment;
    }

    /** Refuses a buffer of these segments if it is longer than any may be. */
    static void requireTotal(int[] lengths, int first, int count) {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes += lengths[first + i] & 0xffff_ffffL;
        }
        requireTotal(bytes);
    }

    static void requireTotal(long bytes) {
        if (bytes > MAX_BUFFER_BYTES) {
            throw new IllegalArgumentException("a buffer of " + bytes + " bytes; at most 2^32 are allowed");
        }
    }
}
