package io.gatun.pmd;

import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryAdvice;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;

/**
 * Buffers for packets that must outlive their burst: on the way to another reactor, to a neighbour in this process, to
 * a file.
 *
 * <p>All buffers are made with the pool. A packet that is longer than one takes several. An empty pool is a value
 * (null), never an exception: the caller drops the packet and counts {@link Drop#NO_MEMORY}. Pools are small and
 * private to what uses them, so that who floods empties only its own, and that buffers stay in the caches.
 *
 * <p><b>Thread-safety:</b> any thread; only {@link #close} comes last.
 */
public final class PacketPool implements AutoCloseable {
    /** Bytes of a buffer unless one says otherwise: an Ethernet frame and some room. */
    public static final int DEFAULT_BUFFER_BYTES = 2048;

    private final Mapping memory;
    private final int bufferBytes;
    private final int capacity;
    private final MpmcVarHandleArrayQueue<PacketBuffer> free;
    private final AtomicBoolean closed = new AtomicBoolean();

    private PacketPool(Mapping memory, int buffers, int bufferBytes) {
        this.memory = memory;
        this.bufferBytes = bufferBytes;
        this.capacity = buffers;
        this.free = new MpmcVarHandleArrayQueue<>(Math.max(2, buffers));
        for (int i = 0; i < buffers; i++) {
            free.offer(new PacketBuffer(memory.address() + (long) i * bufferBytes));
        }
    }

    /** A pool on ordinary memory, transparent hugepages preferred; pages are taken when buffers are first used. */
    public static PacketPool create(int buffers, int bufferBytes) {
        Mapping memory = Mapping.anonymous(checkedBytes(buffers, bufferBytes));
        // A refusal costs speed and nothing else.
        MemoryAdvice.preferHugepages(memory.address(), memory.lengthBytes());
        return new PacketPool(memory, buffers, bufferBytes);
    }

    /**
     * A pool on hugepages of the default size, taken now.
     *
     * @throws LinuxException with the remedy, where there are too few
     */
    public static PacketPool createHuge(int buffers, int bufferBytes) {
        return new PacketPool(Mapping.anonymousHuge(checkedBytes(buffers, bufferBytes)), buffers, bufferBytes);
    }

    /** How many buffers there are. */
    public int capacity() {
        return capacity;
    }

    /** How many are free; while others take and give, a moment ago. */
    public int free() {
        return free.size();
    }

    /** Copies a packet with its offload words; null if there are too few buffers. */
    public PacketBuffer copy(Burst burst, int packet) {
        return copy(burst, packet, burst.lengths[packet]);
    }

    /** Copies the first {@code bytes} bytes of a packet, 1 to all; null if there are too few buffers. */
    public PacketBuffer copy(Burst burst, int packet, int bytes) {
        PacketBuffer first = free.poll();
        if (first == null) {
            return null;
        }
        first.length = burst.lengths[packet];
        first.offload = burst.offloads[packet];
        first.checksumOffset = burst.checksumOffsets[packet];
        boolean complete = false;
        try {
            complete = fill(first, burst, packet, bytes);
        } finally {
            // Also where the packet's memory has vanished under the copy.
            if (!complete) {
                giveBack(first);
            }
        }
        return complete ? first : null;
    }

    /** Returns the buffers of a packet, which must not be used any more. */
    public void giveBack(PacketBuffer first) {
        PacketBuffer buffer = first;
        while (buffer != null) {
            PacketBuffer next = buffer.next;
            buffer.next = null;
            free.offer(buffer);
            buffer = next;
        }
    }

    /** Frees the memory; every buffer has been given back. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            assert free.size() == capacity : (capacity - free.size()) + " buffers were not given back";
            memory.close();
        }
    }

    @Override
    public String toString() {
        return "pool of " + capacity + " x " + bufferBytes + " bytes, " + free() + " free";
    }

    private boolean fill(PacketBuffer first, Burst burst, int packet, int bytes) {
        PacketBuffer buffer = first;
        int done = 0;
        while (true) {
            int run = Math.min(bytes - done, bufferBytes);
            buffer.used = run;
            burst.copyOut(packet, done, buffer.address, run);
            done += run;
            if (done == bytes) {
                return true;
            }
            buffer.next = free.poll();
            buffer = buffer.next;
            if (buffer == null) {
                return false;
            }
        }
    }

    private static long checkedBytes(int buffers, int bufferBytes) {
        if (buffers < 1 || bufferBytes < 64) {
            throw new IllegalArgumentException(
                    "a pool has at least 1 buffer of at least 64 bytes, not " + buffers + " of " + bufferBytes);
        }
        return (long) buffers * bufferBytes;
    }
}
