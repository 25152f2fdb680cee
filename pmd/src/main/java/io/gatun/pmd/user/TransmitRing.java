package io.gatun.pmd.user;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.QueueCounters;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vring.DriverQueue;
import java.util.function.Consumer;

/**
 * The transmitq of one connection: packets are copied into buffers of ours, one descriptor each (VIRTIO 1.3 §5.1.6.2).
 *
 * <p>Every id has a buffer for packets of the usual length. Longer ones, where they are allowed, take one of a few long
 * buffers. What was used is found out when something is sent, so a queue that sends nothing costs nothing.
 *
 * <p><b>Thread-safety:</b> the owner's thread.
 */
final class TransmitRing {
    private final String name;
    private final FrontendQueue queue;
    private final DriverQueue ring;
    private final QueueCounters counters;
    private final Buffers usual;
    private final Buffers longer;
    private final Consumer<String> whenBroken;

    /** Long buffers that are free, as a stack. */
    private final int[] free;

    private int freeCount;

    /** Of each id that is out: its long buffer, or −1. */
    private final int[] longOf;

    /** Packets of the burst being sent that were taken. */
    private int[] sent = new int[Burst.CAPACITY];

    private int sentCount;

    /**
     * A ring with its buffers.
     *
     * @param longer for packets that do not fit the usual ones, or null
     * @param longCount how many of those
     * @param whenBroken is told the reason, on the owner's thread
     */
    TransmitRing(
            UserTxQueue from,
            FrontendQueue queue,
            Buffers usual,
            Buffers longer,
            int longCount,
            Consumer<String> whenBroken) {
        this.name = from.toString();
        this.queue = queue;
        this.ring = queue.driver();
        this.counters = from.counters();
        this.usual = usual;
        this.longer = longer;
        this.whenBroken = whenBroken;
        free = new int[longCount];
        for (int i = 0; i < longCount; i++) {
            free[i] = i;
        }
        freeCount = longCount;
        longOf = new int[ring.size()];
        java.util.Arrays.fill(longOf, -1);
        ring.suppressCalls();
    }

    /** As {@link UserTxQueue#transmit}. */
    int send(Burst burst, int[] which, int count) {
        reclaim();
        if (ring.isBroken()) {
            counters.drop(Drop.FAILED, count);
            return 0;
        }
        if (count > sent.length) {
            sent = new int[count];
        }
        sentCount = 0;
        try {
            int at = fill(burst, which, count);
            if (at < count) {
                counters.drop(Drop.NO_BUFFER, count - at);
            }
        } finally {
            // Also where the memory of a packet has vanished: those before it are in the ring.
            if (ring.publishAvailable()) {
                queue.kick();
            }
            counters.count(burst, sent, sentCount);
        }
        return sentCount;
    }

    /** Puts packets into buffers; returns the first for which there was none. */
    private int fill(Burst burst, int[] which, int count) {
        for (int at = 0; at < count; at++) {
            int packet = which[at];
            int length = NetHeader.BYTES + burst.lengths[packet];
            int id = ring.nextId();
            if (id < 0) {
                return at;
            }
            if (length <= usual.lengthBytes()) {
                put(burst, packet, usual.host(id));
                ring.addOne(usual.guest(id), length, false);
            } else if (longer == null || length > longer.lengthBytes()) {
                counters.drop(Drop.TOO_LONG, 1);
                continue;
            } else if (!sendLong(burst, packet, length, id)) {
                return at;
            }
            sent[sentCount++] = packet;
        }
        return count;
    }

    private boolean sendLong(Burst burst, int packet, int length, int id) {
        if (freeCount == 0) {
            return false;
        }
        int buffer = free[freeCount - 1];
        // Copied first: if the sender's memory vanishes, nothing has been taken.
        put(burst, packet, longer.host(buffer));
        freeCount--;
        longOf[id] = buffer;
        ring.addOne(longer.guest(buffer), length, false);
        return true;
    }

    private static void put(Burst burst, int packet, long target) {
        long word = burst.offloads[packet];
        Memory.putLong(target, word);
        Memory.putInt(target + NetHeader.CHECKSUM_OFFSET, word == 0 ? 0 : burst.checksumOffsets[packet]);
        int length = burst.lengths[packet];
        if (burst.moreCounts[packet] == 0) {
            Memory.copy(burst.addresses[packet], target + NetHeader.BYTES, length);
        } else {
            burst.copyOut(packet, 0, target + NetHeader.BYTES, length);
        }
    }

    /** Takes back what the back-end has used. */
    private void reclaim() {
        boolean was = ring.isBroken();
        for (int id = ring.popUsed(); id >= 0; id = ring.popUsed()) {
            int buffer = longOf[id];
            if (buffer >= 0) {
                longOf[id] = -1;
                free[freeCount++] = buffer;
            }
        }
        if (ring.isBroken() && !was) {
            whenBroken.accept(name + ": " + ring.brokenReason());
        }
    }
}
