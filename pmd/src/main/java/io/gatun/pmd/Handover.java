package io.gatun.pmd;

import io.gatun.linux.Memory;
import io.gatun.reactor.Reactor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jctools.queues.varhandle.MpscVarHandleArrayQueue;

/**
 * The way of packets to a transmit queue that another reactor owns: copied into pool buffers, queued, and sent by the
 * owner.
 *
 * <p>The owner is told by a command, one for all that is queued until it looks: an idle queue costs it nothing, and a
 * sleeper is woken. Each queue has buffers and a bound of its own, so that a receiver that is flooded loses its own
 * packets only. Packets of one sender stay in order.
 *
 * <p><b>Thread-safety:</b> {@link #take} is for any thread; {@link #close} for any but the owner's.
 */
final class Handover {
    /** Packets that wait at most. */
    static final int PACKETS = 512;

    /** Their buffers: room for that many frames, or some dozens of the largest packets. */
    static final int BUFFERS = 1024;

    /** Packets sent per command, so that the owner's pollers get their turn. */
    private static final int PER_COMMAND = 4 * Burst.CAPACITY;

    private final TxQueue queue;
    private final Reactor owner;
    private final PacketPool pool = PacketPool.create(BUFFERS, PacketPool.DEFAULT_BUFFER_BYTES);
    private final MpscVarHandleArrayQueue<PacketBuffer> packets = new MpscVarHandleArrayQueue<>(PACKETS);

    /** Threads between their look at {@link #closed} and the end of their offers. */
    private final AtomicInteger senders = new AtomicInteger();

    /** Whether a command is on its way that has not looked yet. */
    private final AtomicBoolean told = new AtomicBoolean();

    // What senders dropped; the owner moves it to the queue's counters, which only it may write.
    private final AtomicInteger queueFull = new AtomicInteger();
    private final AtomicInteger noMemory = new AtomicInteger();

    private final Runnable command = this::send;
    private volatile boolean closed;

    // The owner's.
    private final Burst burst = new Burst();
    private final PacketBuffer[] sending = new PacketBuffer[Burst.CAPACITY];

    Handover(TxQueue queue) {
        this.queue = queue;
        this.owner = queue.owner();
    }

    PacketPool pool() {
        return pool;
    }

    /** Copies and queues packets; what finds no room is dropped. */
    void take(Burst from, int[] which, int count) {
        senders.incrementAndGet();
        try {
            if (!closed) {
                takeAll(from, which, count);
            }
        } finally {
            senders.decrementAndGet();
        }
    }

    private void takeAll(Burst from, int[] which, int count) {
        try {
            for (int i = 0; i < count; i++) {
                take(from, which[i]);
            }
        } finally {
            // Also where the memory of a packet has vanished: those before it are on their way.
            tell();
        }
    }

    private void take(Burst from, int which) {
        if (packets.size() >= PACKETS) {
            queueFull.incrementAndGet();
            return;
        }
        PacketBuffer packet = null;
        try {
            packet = pool.copy(from, which);
            if (packet == null) {
                noMemory.incrementAndGet();
            } else if (packets.offer(packet)) {
                packet = null;
            } else {
                queueFull.incrementAndGet();
            }
        } finally {
            if (packet != null) {
                pool.giveBack(packet);
            }
        }
    }

    /** After packets were queued. Pairs with {@link #send}: it looks at the queue after it cleared the flag. */
    private void tell() {
        if (!told.getAndSet(true)) {
            try {
                owner.execute(command);
            } catch (RejectedExecutionException ownerHasEnded) {
                closed = true;
            }
        }
    }

    private void send() {
        told.set(false);
        int sent = 0;
        int count;
        do {
            count = sendBurst();
            sent += count;
        } while (count == Burst.CAPACITY && sent < PER_COMMAND);
        queue.counters().drop(Drop.QUEUE_FULL, queueFull.getAndSet(0));
        queue.counters().drop(Drop.NO_MEMORY, noMemory.getAndSet(0));
        if (!packets.isEmpty()) {
            tell();
        }
    }

    private int sendBurst() {
        int count = 0;
        PacketBuffer packet;
        while (count < Burst.CAPACITY && (packet = packets.relaxedPoll()) != null) {
            sending[count++] = packet;
            packet.addTo(burst);
        }
        if (count == 0) {
            return 0;
        }
        try {
            queue.sendOwned(burst, Burst.ALL, count);
            Memory.settle();
        } catch (InternalError vanished) {
            queue.vanished(vanished);
        } finally {
            burst.clear();
            for (int i = 0; i < count; i++) {
                pool.giveBack(sending[i]);
                sending[i] = null;
            }
        }
        return count;
    }

    /** Sends what is queued, refuses the rest, and frees the buffers. Not for the owner's thread. */
    void close() {
        closed = true;
        while (senders.get() != 0) {
            Thread.onSpinWait();
        }
        try {
            owner.submit(this::sendAll).join();
        } catch (RejectedExecutionException ownerHasEnded) {
            discard();
        }
        burst.close();
        pool.close();
    }

    private void sendAll() {
        while (!packets.isEmpty()) {
            send();
        }
    }

    private void discard() {
        PacketBuffer packet;
        while ((packet = packets.poll()) != null) {
            pool.giveBack(packet);
        }
    }
}
