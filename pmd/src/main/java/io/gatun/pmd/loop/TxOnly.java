package io.gatun.pmd.loop;

import io.gatun.linux.Mapping;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Poller;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A packet generator: sends on every transmit queue of a port as fast as the receiver takes it, and takes what arrives.
 *
 * <p>All packets of a queue are the same {@linkplain UdpPacket UDP packet}, made once; a burst of views of it is sent
 * again and again. What the receiver has no room for is dropped and counted by the queue. While the port's link is up
 * its reactors never sleep.
 *
 * <p><b>Thread-safety:</b> {@link #close} for any thread but a reactor's; the rest as {@link Forwarder} says.
 */
public final class TxOnly implements Forwarder, AutoCloseable {
    /** The shortest Ethernet frame, without frame check sequence (IEEE 802.3 §3.2.8). */
    public static final int MIN_SIZE_BYTES = 60;

    /** What testpmd sends unless it is told otherwise. */
    public static final int DEFAULT_SIZE_BYTES = 64;

    private static final int ETHERNET_BYTES = 14;

    private final Port port;
    private final Mapping packets;
    private final List<Generator> generators = new ArrayList<>();

    /** One queue's source of packets. */
    private static final class Generator implements Poller {
        private final Port port;
        private final TxQueue queue;
        private final Burst burst = new Burst();

        Generator(TxQueue queue, long packet, int sizeBytes) {
            this.port = queue.port();
            this.queue = queue;
            while (burst.count < Burst.CAPACITY) {
                burst.add(packet, sizeBytes);
            }
        }

        @Override
        public int poll() {
            if (!port.linkUp()) {
                return 0;
            }
            queue.send(burst);
            return burst.count;
        }

        @Override
        public boolean arm() {
            return !port.linkUp();
        }

        @Override
        public String toString() {
            return "txonly of " + queue;
        }
    }

    private TxOnly(Port port, int sizeBytes) {
        this.port = port;
        int stride = (sizeBytes + 63) & -64;
        packets = Mapping.anonymous((long) Math.max(1, port.txQueues().size()) * stride);
        for (TxQueue queue : port.txQueues()) {
            long packet = packets.address() + (long) queue.index() * stride;
            UdpPacket.write(packet, sizeBytes, queue.index());
            generators.add(new Generator(queue, packet, sizeBytes));
        }
    }

    /**
     * Starts to send, and has the port {@linkplain Port#forwardTo forward} to the result: before the first look at the
     * link, so that no change of it is missed.
     *
     * @param sizeBytes of each packet, {@value #MIN_SIZE_BYTES} to the port's MTU and an Ethernet header
     * @throws IllegalArgumentException for other sizes, and where the port cannot send
     */
    public static TxOnly start(Port port, int sizeBytes) {
        int max = port.mtu() + ETHERNET_BYTES;
        if (sizeBytes < MIN_SIZE_BYTES || sizeBytes > max) {
            throw new IllegalArgumentException("packets of port " + port.name() + " (MTU " + port.mtu() + ") have "
                    + MIN_SIZE_BYTES + " to " + max + " bytes, not " + sizeBytes);
        }
        if (port.txQueues().isEmpty()) {
            throw new IllegalArgumentException("port " + port.name() + " has no transmit queue");
        }
        TxOnly loop = new TxOnly(port, sizeBytes);
        port.forwardTo(loop);
        for (Generator generator : loop.generators) {
            generator.queue.owner().execute(() -> generator.queue.owner().add(generator));
        }
        return loop;
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        // Received, counted by the queue, and done with.
    }

    @Override
    public void linkChanged(Port changed, boolean up) {
        if (up) {
            // A reactor that sleeps learns of it by being woken.
            port.txQueues().forEach(queue -> queue.owner().execute(() -> {}));
        }
    }

    /** Stops sending and frees the packets. */
    @Override
    public void close() {
        List<CompletableFuture<Void>> removed = new ArrayList<>();
        for (Generator generator : generators) {
            Reactor owner = generator.queue.owner();
            assert !owner.inReactorThread() : "close a loop outside of its reactors";
            removed.add(owner.submit(() -> owner.remove(generator)));
        }
        CompletableFuture.allOf(removed.toArray(CompletableFuture<?>[]::new)).join();
        generators.forEach(generator -> generator.burst.close());
        packets.close();
    }
}
