package io.gatun.pmd.tap;

import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.TapDevice;
import io.gatun.pmd.Burst;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.RxQueue;
import io.gatun.reactor.Poller;
import io.gatun.reactor.Reactor;

/**
 * Reads a TAP queue into buffers of its own, a burst at a time.
 *
 * <p>A look at an empty queue costs a system call, so after empty looks it looks at fewer cycles, which other ports of
 * the reactor have for themselves. The descriptor is watched edge-triggered: once a read has said that there is
 * nothing, the next packet ends a sleep.
 *
 * <p><b>Thread-safety:</b> the owner's thread.
 */
final class TapRxPoller implements Poller {
    /** Packets per poll. */
    private static final int BURST = 32;

    /** The largest packet that GSO makes, with its Ethernet header and VLAN tags. */
    private static final int MAX_PACKET = 65536 + 64;

    private static final int STRIDE = 68 << 10;

    /** Where a header is read to, so that the packet's IP header is aligned. */
    private static final int HEADER_AT = 64 + 2 - NetHeader.BYTES;

    /** Cycles between two looks at most. */
    private static final int MAX_PAUSE = 16;

    private final TapPort port;
    private final RxQueue queue;
    private final TapDevice device;
    private final Mapping memory = Mapping.anonymous((long) BURST * STRIDE);
    private final Burst burst = new Burst();
    private int pause;
    private int cyclesToSkip;
    private boolean drained;
    private boolean gone;

    TapRxPoller(TapPort port, RxQueue queue, TapDevice device) {
        this.port = port;
        this.queue = queue;
        this.device = device;
    }

    RxQueue queue() {
        return queue;
    }

    @Override
    public int poll() {
        if (cyclesToSkip > 0) {
            cyclesToSkip--;
            return 0;
        }
        burst.clear();
        read();
        int count = burst.count;
        if (count == 0) {
            pause = Math.min(2 * pause + 1, MAX_PAUSE);
            cyclesToSkip = pause;
            return 0;
        }
        pause = 0;
        queue.deliver(burst);
        return count;
    }

    /** Edges are kept from the last read that found nothing on. */
    @Override
    public boolean arm() {
        cyclesToSkip = 0;
        return drained || gone;
    }

    private void read() {
        long buffer = memory.address() + HEADER_AT;
        drained = false;
        for (int i = 0; i < BURST && !gone; i++, buffer += STRIDE) {
            long result = device.read(buffer, NetHeader.BYTES + MAX_PACKET);
            if (result <= NetHeader.BYTES) {
                nothing((int) result);
                return;
            }
            burst.add(buffer + NetHeader.BYTES, (int) result - NetHeader.BYTES);
            long offload = Memory.getLong(buffer);
            if (offload != 0) {
                burst.offloads[i] = offload;
                burst.checksumOffsets[i] = Memory.getUnsignedShort(buffer + NetHeader.CHECKSUM_OFFSET);
            }
        }
    }

    private void nothing(int result) {
        drained = result == -Errno.EAGAIN;
        if (result == -Errno.EBADFD || result == -Errno.EIO) {
            gone = true;
            port.gone(result);
        }
    }

    void begin(Reactor owner) {
        if (owner != null) {
            owner.watch(device.value());
            owner.add(this);
        }
    }

    void end(Reactor owner) {
        if (owner != null && owner.inReactorThread()) {
            owner.remove(this);
            owner.unwatch(device.value());
        }
    }

    /** After {@link #end}. */
    void close() {
        burst.close();
        memory.close();
    }

    @Override
    public String toString() {
        return queue.toString();
    }
}
