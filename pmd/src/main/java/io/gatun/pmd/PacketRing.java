package io.gatun.pmd;

import org.jctools.queues.varhandle.SpscVarHandleArrayQueue;

/**
 * One direction of a {@link RingPort} pair's queue: packets in pool buffers, from one reactor to another.
 *
 * <p><b>Thread-safety:</b> one thread fills, one takes; {@link #close} comes last.
 */
final class PacketRing {
    final PacketPool pool;
    final SpscVarHandleArrayQueue<PacketBuffer> packets;

    /** Whether somebody takes the packets. */
    volatile boolean received = true;

    PacketRing(RingOptions options) {
        pool = PacketPool.create(options.buffers(), PacketPool.DEFAULT_BUFFER_BYTES);
        packets = new SpscVarHandleArrayQueue<>(options.depth());
    }

    /** Frees everything; neither end is used any more. */
    void close() {
        PacketBuffer packet;
        while ((packet = packets.poll()) != null) {
            pool.giveBack(packet);
        }
        pool.close();
    }
}
