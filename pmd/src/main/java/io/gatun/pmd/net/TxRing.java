package io.gatun.pmd.net;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.QueueCounters;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.ChainBurst;
import io.gatun.vring.DeviceQueue;

/**
 * A guest's receiveq while it is started: packets are copied into the buffers that the driver posted (VIRTIO 1.3
 * §5.1.6.4).
 *
 * <p>A packet goes into one chain, or with mergeable buffers into as many as it needs. Chains that are left over stay
 * available; a packet for which there are not enough is dropped and counted. A burst is published once.
 *
 * <p>It is called in the poll of whoever sends. If memory vanishes meanwhile, it finds out whose: the guest's that
 * receives, then this ring breaks and the sender goes on; or the sender's, then the error is the sender's to handle.
 *
 * <p><b>Thread-safety:</b> the ring's reactor thread only.
 */
final class TxRing implements QueueHandler {
    /** Chains for one packet at most, if the driver posts tiny buffers. */
    private static final int MOST_CHAINS = 256;

    private static final int TOO_LONG = -1;
    private static final int NOT_ENOUGH = 0;

    private final Vring vring;
    private final DeviceQueue queue;
    private final VhostTxQueue from;
    private final QueueCounters counters;
    private final boolean mergeable;
    private final int headerBytes;
    private final ChainBurst chains = new ChainBurst(MOST_CHAINS);

    /** Packets of the burst being sent that were taken. */
    private int[] sent = new int[Burst.CAPACITY];

    private int sentCount;

    /** Chains of that burst that were filled. */
    private int filled;

    /** Chains have been popped and are neither put used nor given back. */
    private boolean holdsChains;

    /** Where a header is put together that does not fit its buffer's first segment. */
    private final Mapping scratch = Mapping.anonymous(NetHeader.BYTES);

    // Where the next byte of a packet in pieces goes, in the segment table of the chains.
    private int targetSegment;
    private int targetOffset;

    TxRing(Vring vring, VhostTxQueue from) {
        this.vring = vring;
        this.queue = vring.queue();
        this.from = from;
        this.counters = from.counters();
        this.mergeable = (vring.features() & VirtioNet.F_MRG_RXBUF) != 0;
        this.headerBytes = RxRing.headerBytes(vring.features());
    }

    /** What the driver can do for itself. */
    private static long guestOffloads(long features) {
        if ((features & VirtioNet.F_GUEST_CSUM) == 0) {
            return Offloads.NONE;
        }
        long uso = VirtioNet.F_GUEST_USO4 | VirtioNet.F_GUEST_USO6;
        return Offloads.CHECKSUM
                | ((features & VirtioNet.F_GUEST_TSO4) != 0 ? Offloads.TSO4 : 0)
                | ((features & VirtioNet.F_GUEST_TSO6) != 0 ? Offloads.TSO6 : 0)
                | ((features & VirtioNet.F_GUEST_ECN) != 0 ? Offloads.ECN : 0)
                | ((features & uso) == uso ? Offloads.USO : 0);
    }

    /** Buffers wait for packets here, enabled or not: {@link #poll} never takes any. */
    @Override
    public boolean enable(boolean enabled) {
        if (enabled) {
            from.attach(this, guestOffloads(vring.features()));
        } else {
            from.detach(this);
        }
        return false;
    }

    @Override
    public int poll(int maxChains) {
        return 0;
    }

    /** As {@link VhostTxQueue#transmit}. */
    int send(Burst burst, int[] which, int count) {
        if (queue.isBroken()) {
            counters.drop(Drop.FAILED, count);
            return 0;
        }
        try {
            copyAll(burst, which, count);
            // An error of either guest's memory surfaces here, if not before.
            Memory.settle();
        } catch (InternalError vanished) {
            blame(vanished, burst, which, count);
            counters.drop(Drop.FAILED, count);
            return 0;
        }
        counters.count(burst, sent, sentCount);
        return sentCount;
    }

    private void copyAll(Burst burst, int[] which, int count) {
        if (count > sent.length) {
            sent = new int[count];
        }
        burst.fetchHeads();
        sentCount = 0;
        filled = 0;
        int at = 0;
        int wanted = Math.min(count, MOST_CHAINS);
        while (at < count) {
            int got = queue.popBurst(chains, wanted);
            holdsChains = got != 0;
            int next = got == 0 ? at : fill(burst, which, at, count);
            if (next == at) {
                if (got < wanted) {
                    // The packets behind may be shorter, but their order is worth more.
                    break;
                }
                if (wanted == MOST_CHAINS) {
                    counters.drop(Drop.NO_BUFFER, 1);
                    next++;
                }
            }
            at = next;
            wanted = next == count ? 0 : MOST_CHAINS;
        }
        if (at < count) {
            counters.drop(Drop.NO_BUFFER, count - at);
        }
        vring.publish(filled);
    }

    /** Fills the chains just popped with packets from {@code at} on; returns the first that is left. */
    private int fill(Burst burst, int[] which, int at, int count) {
        chains.fetchHeads();
        int chain = 0;
        int next = at;
        while (next < count && chain < chains.count) {
            int packet = which[next];
            int used = fits(burst, packet, chain) ? place(burst, packet, chain) : spread(burst, packet, chain);
            if (used == NOT_ENOUGH) {
                break;
            }
            if (used == TOO_LONG) {
                counters.drop(Drop.TOO_LONG, 1);
            } else {
                chain += used;
                sent[sentCount] = packet;
                sentCount++;
            }
            next++;
        }
        if (chain != chains.count) {
            queue.unpop(chains, chain);
        }
        holdsChains = false;
        queue.putUsedBurst(chains, 0, chain);
        filled += chain;
        return next;
    }

    /** Whether header and packet go into one run of bytes. */
    private boolean fits(Burst burst, int packet, int chain) {
        return chains.segmentCounts[chain] == 1
                && chains.readableCounts[chain] == 0
                && chains.lengths[chains.firstSegments[chain]] >= burst.lengths[packet] + headerBytes;
    }

    private int place(Burst burst, int packet, int chain) {
        long target = Memory.base(chains.addresses[chains.firstSegments[chain]]);
        int length = burst.lengths[packet];
        writeHeader(target, burst, packet, 1);
        Memory.copyApart(burst.addresses[packet], target + headerBytes, burst.headLengths[packet]);
        if (burst.moreCounts[packet] != 0) {
            placeRest(burst, packet, target + headerBytes + burst.headLengths[packet]);
        }
        chains.writtenBytes[chain] = headerBytes + length;
        return 1;
    }

    /** What follows the packet's first run of bytes. */
    private static void placeRest(Burst burst, int packet, long target) {
        long to = target;
        int first = burst.moreFirsts[packet];
        for (int i = first; i < first + burst.moreCounts[packet]; i++) {
            Memory.copyApart(burst.segmentAddresses[i], to, burst.segmentLengths[i]);
            to += burst.segmentLengths[i];
        }
    }

    /** Writes what is not there already: buffers come round, and a line that is only read stays in both caches. */
    private void writeHeader(long target, Burst burst, int packet, int buffers) {
        long word = burst.offloads[packet];
        if (Memory.getLong(target) != word) {
            Memory.putLong(target, word);
        }
        int checksumOffset = word == 0 ? 0 : burst.checksumOffsets[packet];
        if (headerBytes == NetHeader.SHORT_BYTES) {
            Memory.putShort(target + NetHeader.CHECKSUM_OFFSET, checksumOffset);
            return;
        }
        int rest = checksumOffset | buffers << Short.SIZE;
        if (Memory.getInt(target + NetHeader.CHECKSUM_OFFSET) != rest) {
            Memory.putInt(target + NetHeader.CHECKSUM_OFFSET, rest);
        }
    }

    /** The packet over several runs of bytes, or several chains; returns how many it took, or why it was not copied. */
    private int spread(Burst burst, int packet, int first) {
        int length = headerBytes + burst.lengths[packet];
        int used = 0;
        long room = 0;
        while (room < length) {
            if (used != 0 && !mergeable) {
                return TOO_LONG;
            }
            int chain = first + used;
            if (chain == chains.count) {
                return NOT_ENOUGH;
            }
            if (chains.readableCounts[chain] != 0) {
                queue.breakQueue("a receive buffer has device-readable descriptors");
                return NOT_ENOUGH;
            }
            room += chains.writableBytes(chain);
            used++;
        }
        int left = length;
        for (int i = first; i < first + used; i++) {
            chains.writtenBytes[i] = (int) Math.min(left, chains.writableBytes(i));
            left -= chains.writtenBytes[i];
        }
        targetSegment = chains.firstSegments[first];
        targetOffset = 0;
        writeHeader(scratch.address(), burst, packet, used);
        put(scratch.address(), headerBytes);
        put(burst.addresses[packet], burst.headLengths[packet]);
        int firstMore = burst.moreFirsts[packet];
        for (int i = 0; i < burst.moreCounts[packet]; i++) {
            put(burst.segmentAddresses[firstMore + i], burst.segmentLengths[firstMore + i]);
        }
        return used;
    }

    /** Copies a run of bytes to where the packet goes on; the segments of consecutive chains follow each other. */
    private void put(long source, int bytes) {
        int done = 0;
        while (done < bytes) {
            int run = Math.min(bytes - done, chains.lengths[targetSegment] - targetOffset);
            Memory.copy(source + done, chains.addresses[targetSegment] + targetOffset, run);
            done += run;
            targetOffset += run;
            if (targetOffset == chains.lengths[targetSegment]) {
                targetSegment++;
                targetOffset = 0;
            }
        }
    }

    /**
     * Memory vanished while a burst was copied: whose? Ours, then the ring breaks. The sender's, then it is the sender
     * who fails. If everything is there again, somebody is playing; the burst is lost, and nobody else suffers.
     */
    private void blame(InternalError vanished, Burst burst, int[] which, int count) {
        try {
            queue.touchMemory();
            Memory.settle();
        } catch (InternalError own) {
            queue.breakQueue("memory of the front-end vanished");
            return;
        }
        giveBack();
        try {
            for (int i = 0; i < count; i++) {
                touch(burst, which[i]);
            }
            Memory.settle();
        } catch (InternalError ofTheSender) {
            vanished.addSuppressed(ofTheSender);
            throw vanished;
        }
    }

    /** What was being filled stays available, what was filled before is the guest's: the sender costs it nothing. */
    private void giveBack() {
        if (holdsChains) {
            holdsChains = false;
            queue.unpop(chains, 0);
        }
        vring.publish(filled);
    }

    private static void touch(Burst burst, int packet) {
        Memory.touch(burst.addresses[packet], burst.headLengths[packet]);
        int first = burst.moreFirsts[packet];
        for (int i = 0; i < burst.moreCounts[packet]; i++) {
            Memory.touch(burst.segmentAddresses[first + i], burst.segmentLengths[first + i]);
        }
    }

    @Override
    public int inFlight() {
        return 0;
    }

    @Override
    public void close() {
        from.detach(this);
        scratch.close();
    }
}
