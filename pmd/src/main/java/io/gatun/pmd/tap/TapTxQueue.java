package io.gatun.pmd.tap;

import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.TapDevice;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;

/** Writes packets to a TAP queue: the header and the packet's segments gathered where they lie. */
final class TapTxQueue extends TxQueue {
    /** UIO_MAXIOV: more in one call are refused. */
    private static final int MAX_IOVECS = 1024;

    private static final int IOVEC_BYTES = 16;
    private static final int TABLE_AT = 16;

    private final TapDevice device;
    private final long offloads;
    private final Mapping memory = Mapping.anonymous(TABLE_AT + MAX_IOVECS * IOVEC_BYTES);
    private final long header = memory.address();
    private final long table = header + TABLE_AT;
    private final int[] written = new int[Burst.CAPACITY];

    TapTxQueue(TapPort port, int index, Reactor owner, TapDevice device, long offloads) {
        super(port, index, owner);
        this.device = device;
        this.offloads = offloads;
        Memory.putLong(table, header);
        Memory.putLong(table + 8, NetHeader.BYTES);
    }

    @Override
    public long offloads() {
        return offloads;
    }

    @Override
    protected int transmit(Burst burst, int[] which, int count) {
        int taken = 0;
        for (int i = 0; i < count; i++) {
            int packet = which[i];
            long result = write(burst, packet);
            if (result >= 0) {
                written[taken++] = packet;
            } else {
                counters().drop(cause((int) result), 1);
            }
        }
        counters().count(burst, written, taken);
        return taken;
    }

    private long write(Burst burst, int packet) {
        int more = burst.moreCounts[packet];
        if (more > MAX_IOVECS - 2) {
            return -Errno.EMSGSIZE;
        }
        long offload = burst.offloads[packet];
        Memory.putLong(header, offload);
        // With num_buffers, which is 0 in this direction.
        Memory.putInt(header + NetHeader.CHECKSUM_OFFSET, offload == 0 ? 0 : burst.checksumOffsets[packet] & 0xffff);
        long entry = table + IOVEC_BYTES;
        Memory.putLong(entry, burst.addresses[packet]);
        Memory.putLong(entry + 8, burst.headLengths[packet]);
        int first = burst.moreFirsts[packet];
        for (int s = 0; s < more; s++) {
            entry += IOVEC_BYTES;
            Memory.putLong(entry, burst.segmentAddresses[first + s]);
            Memory.putLong(entry + 8, burst.segmentLengths[first + s]);
        }
        return device.write(table, more + 2);
    }

    private static Drop cause(int errno) {
        return switch (-errno) {
            case Errno.EAGAIN, Errno.ENOBUFS, Errno.ENOMEM -> Drop.NO_BUFFER;
            case Errno.EIO, Errno.EBADFD -> Drop.LINK_DOWN;
            case Errno.EINVAL -> Drop.BAD_HEADER;
            case Errno.EMSGSIZE -> Drop.TOO_LONG;
            default -> Drop.FAILED;
        };
    }

    void close() {
        memory.close();
    }
}
