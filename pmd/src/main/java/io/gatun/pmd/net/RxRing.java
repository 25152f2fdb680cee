package io.gatun.pmd.net;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.RxQueue;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.ChainBurst;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.VirtioFeatures;
import java.util.function.LongSupplier;

/**
 * A guest's transmitq while it is started: chains become views of packets (VIRTIO 1.3 §5.1.6.2).
 *
 * <p>A chain is the virtio-net header and the packet, cut into descriptors as the driver likes. What is not a packet is
 * dropped and counted; it does not break the queue. Within one poll chains are taken, delivered, and put back used, so
 * nothing is ever in flight.
 *
 * <p>Who takes packets as fast as a driver makes them works in the cache lines that the driver is writing, and slows it
 * down. So a driver in full swing is left alone for {@value #PAUSE_NANOS} ns after a burst that is not ample.
 *
 * <p><b>Thread-safety:</b> the ring's reactor thread only.
 */
final class RxRing implements QueueHandler {
    /** A driver that gives this many packets at once is in full swing. */
    static final int BULK = 16;

    static final long PAUSE_NANOS = 2000;

    private final LongSupplier clock;
    private final Vring vring;
    private final DeviceQueue queue;
    private final RxQueue to;
    private final ChainBurst chains = new ChainBurst(Burst.CAPACITY);
    private final Burst burst = new Burst();
    private final long features;
    private final boolean looksAtHeaders;
    private final int headerBytes;

    /** As many packets as a burst holds, or a quarter of the ring: a driver that is left alone needs room. */
    private final int ampleBurst;

    private boolean enabled;
    private boolean pausing;
    private long pausedAt;

    /** The clock, in nanoseconds, is {@link System#nanoTime} but for tests. */
    RxRing(Vring vring, RxQueue to, LongSupplier clock) {
        this.clock = clock;
        this.vring = vring;
        this.queue = vring.queue();
        this.to = to;
        this.features = vring.features();
        this.looksAtHeaders = HeaderRules.mayAsk(features);
        this.headerBytes = headerBytes(features);
        this.ampleBurst = Math.min(Burst.CAPACITY, queue.size() / 4);
    }

    /** A legacy driver without mergeable buffers leaves out {@code num_buffers} (§5.1.6.1). */
    static int headerBytes(long features) {
        return (features & (VirtioFeatures.VERSION_1 | VirtioNet.F_MRG_RXBUF)) == 0
                ? NetHeader.SHORT_BYTES
                : NetHeader.BYTES;
    }

    /** A disabled transmitq is served all the same: its packets go nowhere. */
    @Override
    public boolean enable(boolean enable) {
        enabled = enable;
        return true;
    }

    @Override
    public int poll(int maxChains) {
        if (maxChains == 0 || isPausing()) {
            return 0;
        }
        int count = queue.popBurst(chains, Math.min(maxChains, Burst.CAPACITY));
        if (count == 0) {
            return 0;
        }
        burst.clear();
        frame(count);
        if (burst.count != 0) {
            if (enabled) {
                to.deliver(burst);
            } else {
                to.counters().drop(Drop.LINK_DOWN, burst.count);
            }
        }
        queue.putUsedBurst(chains, 0, count);
        vring.publish(count);
        if (count >= BULK && count < Math.min(maxChains, ampleBurst)) {
            pausing = true;
            pausedAt = clock.getAsLong();
        }
        return count;
    }

    private boolean isPausing() {
        pausing = pausing && clock.getAsLong() - pausedAt < PAUSE_NANOS;
        return pausing;
    }

    private void frame(int count) {
        int[] firstSegments = chains.firstSegments;
        int[] segmentCounts = chains.segmentCounts;
        int[] readableCounts = chains.readableCounts;
        int header = headerBytes;
        for (int i = 0; i < count; i++) {
            int segment = firstSegments[i];
            int length = chains.lengths[segment] - header;
            boolean usual = segmentCounts[i] == 1 && readableCounts[i] == 1 && isPacket(length);
            if (usual) {
                long address = chains.addresses[segment];
                if (!looksAtHeaders || Memory.getLong(address) == 0) {
                    burst.add(address + header, length);
                    continue;
                }
            }
            frameOther(i);
        }
    }

    private static boolean isPacket(long length) {
        return length >= VirtioNet.MIN_PACKET_BYTES && length <= VirtioNet.MAX_PACKET_BYTES;
    }

    /** A header that asks for something, a packet in pieces, or no packet at all. */
    private void frameOther(int chain) {
        long length = chains.readableBytes(chain) - headerBytes;
        if (!isPacket(length)) {
            to.counters().drop(Drop.BAD_HEADER, 1);
            return;
        }
        long word = 0;
        int checksumOffset = 0;
        if (looksAtHeaders) {
            int first = chains.firstSegments[chain];
            if (chains.lengths[first] >= headerBytes) {
                word = Memory.getLong(chains.addresses[first]);
                checksumOffset = Memory.getUnsignedShort(chains.addresses[first] + NetHeader.CHECKSUM_OFFSET);
            } else {
                word = headerField(first, 0, Long.BYTES);
                checksumOffset = (int) headerField(first, NetHeader.CHECKSUM_OFFSET, Short.BYTES);
            }
            word = word == 0 ? 0 : HeaderRules.judge(word, checksumOffset, (int) length, features);
            if (word == HeaderRules.REFUSED) {
                to.counters().drop(Drop.BAD_HEADER, 1);
                return;
            }
        }
        addPacket(chain);
        int packet = burst.count - 1;
        burst.offloads[packet] = word;
        burst.checksumOffsets[packet] = checksumOffset;
    }

    /** A little-endian field of a header that is spread over segments from {@code first} on; the chain has it. */
    private long headerField(int first, int offset, int bytes) {
        long value = 0;
        int segment = first;
        int at = offset;
        for (int i = 0; i < bytes; i++, at++) {
            while (at >= chains.lengths[segment]) {
                at -= chains.lengths[segment];
                segment++;
            }
            value |= (Memory.getByte(chains.addresses[segment] + at) & 0xffL) << (Byte.SIZE * i);
        }
        return value;
    }

    /** Adds what follows the header; it is at least an Ethernet header long. */
    private void addPacket(int chain) {
        int segment = chains.firstSegments[chain];
        int end = segment + chains.readableCounts[chain];
        int skip = headerBytes;
        while (skip >= chains.lengths[segment]) {
            skip -= chains.lengths[segment];
            segment++;
        }
        burst.add(chains.addresses[segment] + skip, chains.lengths[segment] - skip);
        for (segment++; segment < end; segment++) {
            burst.addSegment(chains.addresses[segment], chains.lengths[segment]);
        }
    }

    @Override
    public int inFlight() {
        return 0;
    }

    @Override
    public void close() {
        burst.close();
    }
}
