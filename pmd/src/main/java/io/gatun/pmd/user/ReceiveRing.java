package io.gatun.pmd.user;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.net.HeaderRules;
import io.gatun.pmd.net.VirtioNet;
import io.gatun.reactor.Poller;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vring.DriverQueue;
import java.util.function.Consumer;

/**
 * The receiveq of one connection: buffers are posted, come back with packets, are delivered as views and posted again
 * (VIRTIO 1.3 §5.1.6.3 and §5.1.6.4).
 *
 * <p>The back-end is a peer, not a friend: ids and lengths are checked, {@code num_buffers} is fetched once and must be
 * the number of buffers that were used together. What violates this ends the connection, with a reason. A packet that
 * is none, or whose header contradicts itself, is dropped and counted.
 *
 * <p><b>Thread-safety:</b> the owner's thread, from {@link #post()} on.
 */
final class ReceiveRing implements Poller {
    private final FrontendQueue queue;
    private final DriverQueue ring;
    private final RxQueue to;
    private final Buffers buffers;
    private final Consumer<String> whenBroken;
    private final boolean mergeable;
    private final boolean looksAtHeaders;
    private final long rules;
    private final Burst burst = new Burst();

    /** Buffers taken in this poll. */
    private int taken;

    private boolean armed;
    private boolean broken;

    /** @param whenBroken is told the reason, once, on the owner's thread */
    ReceiveRing(FrontendQueue queue, RxQueue to, Buffers buffers, long features, Consumer<String> whenBroken) {
        this.queue = queue;
        this.ring = queue.driver();
        this.to = to;
        this.buffers = buffers;
        this.whenBroken = whenBroken;
        this.mergeable = (features & VirtioNet.F_MRG_RXBUF) != 0;
        this.rules = HeaderRules.ofDevice(features);
        this.looksAtHeaders = HeaderRules.mayAsk(rules);
    }

    /** Posts every buffer that is not out. */
    void post() {
        for (int id = ring.nextId(); id >= 0; id = ring.nextId()) {
            ring.addOne(buffers.guest(id), buffers.lengthBytes(), true);
        }
        if (ring.publishAvailable()) {
            queue.kick();
        }
    }

    /** What wakes a sleeping owner. */
    int callFd() {
        return queue.callFd().fd().value();
    }

    @Override
    public int poll() {
        if (broken) {
            return 0;
        }
        burst.clear();
        taken = 0;
        int packets = 0;
        while (packets < Burst.CAPACITY && take()) {
            packets++;
        }
        if (ring.isBroken()) {
            violated(ring.brokenReason());
        }
        if (taken == 0) {
            return 0;
        }
        if (burst.count != 0) {
            to.deliver(burst);
        }
        if (!broken) {
            post();
        }
        return taken;
    }

    /** Takes a packet; false if there is none, or if the back-end violated the protocol. */
    private boolean take() {
        int id = ring.popUsed();
        if (id < 0) {
            return false;
        }
        taken++;
        long length = ring.usedLength();
        if (length < NetHeader.BYTES || length > buffers.lengthBytes()) {
            return violated("a used receive buffer has " + length + " bytes instead of " + NetHeader.BYTES + " to "
                    + buffers.lengthBytes());
        }
        long at = buffers.host(id);
        int count = mergeable ? Memory.getUnsignedShort(at + NetHeader.NUM_BUFFERS) : 1;
        int bytes = (int) length - NetHeader.BYTES;
        if (count != 1) {
            return merge(at, bytes, count);
        }
        if (bytes < VirtioNet.MIN_PACKET_BYTES) {
            to.counters().drop(Drop.BAD_HEADER, 1);
            return true;
        }
        burst.add(at + NetHeader.BYTES, bytes);
        if (looksAtHeaders) {
            judge(at);
        }
        return true;
    }

    /** Takes the buffers after a packet's first one: all of them are used at once (§5.1.6.4). */
    private boolean merge(long first, int firstBytes, int count) {
        if (count == 0 || count > ring.size()) {
            return violated("num_buffers is " + count + " in a ring of " + ring.size());
        }
        boolean whole = firstBytes != 0;
        if (whole) {
            burst.add(first + NetHeader.BYTES, firstBytes);
        }
        long total = firstBytes;
        for (int i = 1; i < count; i++) {
            int id = ring.popUsed();
            if (id < 0) {
                burst.count -= whole ? 1 : 0;
                return violated("num_buffers is " + count + ", but " + i + " buffers were used");
            }
            taken++;
            long length = ring.usedLength();
            if (length == 0 || length > buffers.lengthBytes()) {
                burst.count -= whole ? 1 : 0;
                return violated("a merged receive buffer has " + length + " bytes instead of 1 to "
                        + buffers.lengthBytes());
            }
            total += length;
            if (whole) {
                burst.addSegment(buffers.host(id), (int) length);
            }
        }
        if (!whole || total < VirtioNet.MIN_PACKET_BYTES || total > VirtioNet.MAX_PACKET_BYTES) {
            burst.count -= whole ? 1 : 0;
            to.counters().drop(Drop.BAD_HEADER, 1);
        } else if (looksAtHeaders) {
            judge(first);
        }
        return true;
    }

    /** Gives the packet added last its offload word, or drops it. */
    private void judge(long header) {
        long word = Memory.getLong(header);
        if (word == 0) {
            return;
        }
        int packet = burst.count - 1;
        int checksumOffset = Memory.getUnsignedShort(header + NetHeader.CHECKSUM_OFFSET);
        long judged = HeaderRules.judge(word, checksumOffset, burst.lengths[packet], rules);
        if (judged == HeaderRules.REFUSED) {
            burst.count = packet;
            to.counters().drop(Drop.BAD_HEADER, 1);
        } else {
            burst.offloads[packet] = judged;
            burst.checksumOffsets[packet] = checksumOffset;
        }
    }

    /** Returns false, for {@link #take}. */
    private boolean violated(String reason) {
        if (!broken) {
            broken = true;
            whenBroken.accept(to + ": " + reason);
        }
        return false;
    }

    @Override
    public boolean arm() {
        armed = true;
        return ring.armCalls();
    }

    @Override
    public void disarm() {
        if (armed) {
            armed = false;
            ring.suppressCalls();
        }
    }

    @Override
    public void failed(Throwable cause) {
        broken = true;
        whenBroken.accept(to + " failed: " + cause);
    }

    /** Once the owner does not poll it any more. */
    void close() {
        burst.close();
    }

    @Override
    public String toString() {
        return to.toString();
    }
}
