package io.gatun.pmd.offload;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.QueueCounters;

/**
 * Finishes packets for a receiver that cannot: fills in checksums, cuts large packets, and sorts out what is longer
 * than the port's MTU or contradicts itself.
 *
 * <p>{@link #start} names the packets; each {@link #fill} makes the next burst of them, in which heads are private
 * copies where they were changed, and everything else is views of the packets that came in. What a receiver does itself
 * passes as it is. UDP datagrams that are to become IP fragments (UFO) are dropped: no port offers that to a sender,
 * and Linux has not made such packets since 4.14.
 *
 * <p><b>Thread-safety:</b> one thread, the owner of the queue.
 */
public final class SoftwareOffload implements AutoCloseable {
    private final Burst out = new Burst();
    private final Segmentation segmentation = new Segmentation();
    private final QueueCounters counters;

    private Burst source;
    private int[] which;
    private int count;
    private int position;
    private boolean cutting;
    private long receiverOffloads;
    private int maxFrameBytes;

    /** Private memory for one queue, whose counters count what is dropped. */
    public SoftwareOffload(QueueCounters counters) {
        this.counters = counters;
    }

    /**
     * Whether all these packets can go to a receiver with these offloads as they are.
     *
     * @param maxFrameBytes the longest packet that is not to be segmented, and the longest segment of one that is
     */
    public boolean passes(Burst burst, int[] selected, int packets, long offloads, int maxFrameBytes) {
        for (int i = 0; i < packets; i++) {
            int packet = selected[i];
            long offload = burst.offloads[packet];
            if ((Offloads.neededBy(offload) & ~offloads) != 0 || refusal(burst, packet, maxFrameBytes) != null) {
                return false;
            }
        }
        return true;
    }

    /** Begins with the packets that the first {@code packets} elements of {@code selected} name. */
    public void start(Burst burst, int[] selected, int packets, long offloads, int longestBytes) {
        source = burst;
        which = selected;
        count = packets;
        position = 0;
        cutting = false;
        receiverOffloads = offloads;
        maxFrameBytes = longestBytes;
    }

    /** Makes the next {@link #burst}; false when there is nothing left. */
    public boolean fill() {
        out.clear();
        while (out.count < Burst.CAPACITY && position < count) {
            if (cutting) {
                segmentation.next(out);
                if (!segmentation.hasNext()) {
                    cutting = false;
                    position++;
                }
            } else {
                take(which[position]);
            }
        }
        return out.count != 0;
    }

    /** What the last {@link #fill} made. */
    public Burst burst() {
        return out;
    }

    private void take(int packet) {
        Drop refusal = refusal(source, packet, maxFrameBytes);
        if (refusal == null) {
            long offload = source.offloads[packet];
            long lacking = Offloads.neededBy(offload) & ~receiverOffloads;
            if (lacking == 0) {
                out.addFrom(source, packet);
            } else if (lacking == Offloads.CHECKSUM && NetHeader.gsoType(offload) == NetHeader.GSO_NONE) {
                out.addFrom(source, packet);
                fillChecksum(out.count - 1);
            } else if ((lacking & Offloads.UFO) != 0) {
                refusal = Drop.TOO_LONG;
            } else {
                // refusal() has just begun with it.
                cutting = true;
                return;
            }
        }
        if (refusal != null) {
            counters.drop(refusal, 1);
        }
        position++;
    }

    /** Why a packet can go to nobody behind this port, or null. A packet to be cut is begun. */
    private Drop refusal(Burst burst, int packet, int longestBytes) {
        long offload = burst.offloads[packet];
        int length = burst.lengths[packet];
        if ((NetHeader.flags(offload) & NetHeader.F_NEEDS_CSUM) != 0) {
            int end = NetHeader.checksumStart(offload) + burst.checksumOffsets[packet] + 2;
            if (burst.checksumOffsets[packet] < 0 || end > length || end > Burst.MAX_HEAD_BYTES) {
                return Drop.BAD_HEADER;
            }
        }
        int type = NetHeader.gsoType(offload);
        if (type == NetHeader.GSO_NONE) {
            return length > longestBytes ? Drop.TOO_LONG : null;
        }
        int segmentBytes = 0;
        switch (type & ~NetHeader.GSO_ECN) {
            case NetHeader.GSO_TCPV4, NetHeader.GSO_TCPV6, NetHeader.GSO_UDP_L4 ->
                segmentBytes = segmentation.begin(burst, packet);
            case NetHeader.GSO_UDP -> segmentBytes = NetHeader.gsoSize(offload);
            default -> {
                // Nothing to note.
            }
        }
        if (segmentBytes == 0) {
            return Drop.BAD_HEADER;
        }
        return segmentBytes > longestBytes ? Drop.TOO_LONG : null;
    }

    /** The sender has left the pseudo header's sum in the field, so the sum over all is complete. */
    private void fillChecksum(int packet) {
        int start = NetHeader.checksumStart(out.offloads[packet]);
        int offset = out.checksumOffsets[packet];
        long head = out.editHead(packet, start + offset + 2);
        long sum = InternetChecksum.sum(out, packet, start);
        Memory.putShort(
                head + start + offset,
                offset == Segmentation.UDP_CHECKSUM
                        ? InternetChecksum.finishUdp(sum)
                        : InternetChecksum.finish(sum));
        out.offloads[packet] = 0;
    }

    @Override
    public void close() {
        segmentation.close();
        out.close();
    }
}
