package io.gatun.pmd.net;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.vhostuser.Vring;
import io.gatun.vhostuser.VringCounters;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.QueueConfig;
import io.gatun.vring.VirtioFeatures;
import java.util.ArrayList;
import java.util.List;

/**
 * A guest's network driver, its memory, both queues of a pair and the port behind them, all on the test's own thread:
 * the test plays the driver, and polls in between. Guest, user and host addresses differ.
 */
final class NetGuest implements AutoCloseable {
    static final int RING_SIZE = 128;
    static final int MEMORY_BYTES = 4 << 20;

    private static final long GUEST_BASE = 0x1_0000_0000L;
    private static final long USER_BASE = 0x7f00_0000_0000L;

    final MemoryFile file = MemoryFile.create("net guest", MEMORY_BYTES);
    final Mapping memory = file.map();
    final long features;
    final DriverQueue receiveq;
    final DriverQueue transmitq;
    final DeviceQueue receiveDevice;
    final DeviceQueue transmitDevice;
    final ThisPort port = new ThisPort();
    final RxRing rx;
    final TxRing tx;
    private long next;
    private final long arena;

    /** How far the clock moves whenever somebody looks at it: far enough to end every pause. */
    long tickNanos = 1_000_000;

    private long nanos;

    /** The port of one guest. */
    static final class ThisPort extends Port {
        final RxQueue rxQueue = newRxQueue(0, null);
        final VhostTxQueue txQueue = new VhostTxQueue(this, 0, null, () -> {});

        ThisPort() {
            super("guest");
            setMtu(MAX_MTU);
        }

        @Override
        public String type() {
            return "test";
        }

        @Override
        public List<RxQueue> rxQueues() {
            return List.of(rxQueue);
        }

        @Override
        public List<TxQueue> txQueues() {
            return List.of(txQueue);
        }

        @Override
        public TxQueue txFor(int hash) {
            return txQueue;
        }

        @Override
        public boolean linkUp() {
            return txQueue.isUp();
        }

        @Override
        protected void release() {}
    }

    /** What a burst brought, copied. */
    static final class Received implements Forwarder {
        final List<byte[]> packets = new ArrayList<>();
        final List<Long> offloads = new ArrayList<>();
        final List<Integer> checksumOffsets = new ArrayList<>();

        @Override
        public void forward(RxQueue from, Burst burst) {
            try (Mapping copy = Mapping.anonymous(VirtioNet.MAX_PACKET_BYTES)) {
                for (int i = 0; i < burst.count; i++) {
                    burst.copyOut(i, 0, copy.address(), burst.lengths[i]);
                    byte[] packet = new byte[burst.lengths[i]];
                    Memory.copyToArray(copy.address(), packet, 0, packet.length);
                    packets.add(packet);
                    offloads.add(burst.offloads[i]);
                    checksumOffsets.add(burst.checksumOffsets[i]);
                }
            }
        }
    }

    /** All that the device offers, less {@code without}. */
    NetGuest(boolean packed, long without) {
        long offered = new VirtioNetDevice(null, VhostPortOptions.DEFAULTS).features() & ~without;
        features = packed ? offered : offered & ~VirtioFeatures.RING_PACKED;
        long ringBytes = DriverQueue.memoryBytes(packed, RING_SIZE);
        receiveq = DriverQueue.create(packed, RING_SIZE, features, memory.address(), USER_BASE);
        transmitq = DriverQueue.create(
                packed, RING_SIZE, features, memory.address() + ringBytes, USER_BASE + ringBytes);
        arena = GUEST_BASE + 2 * ringBytes;
        next = arena;
        GuestMemory guestMemory = GuestMemory.of(
                List.of(new GuestMemory.Region(GUEST_BASE, MEMORY_BYTES, USER_BASE, memory.address())));
        receiveDevice = device(receiveq, packed, guestMemory);
        transmitDevice = device(transmitq, packed, guestMemory);
        tx = new TxRing(new Vring(0, receiveDevice, null, -1, new VringCounters()), port.txQueue);
        rx = new RxRing(new Vring(1, transmitDevice, null, -1, new VringCounters()), port.rxQueue, this::now);
        tx.enable(true);
        rx.enable(true);
    }

    private long now() {
        nanos += tickNanos;
        return nanos;
    }

    private DeviceQueue device(DriverQueue driver, boolean packed, GuestMemory guestMemory) {
        return DeviceQueue.create(new QueueConfig(
                RING_SIZE,
                features,
                driver.descriptorAddress(),
                driver.availAddress(),
                driver.usedAddress(),
                packed ? 1 << 15 | 1 << 31 : 0,
                guestMemory));
    }

    /** Guest memory, from a heap that starts again when it is full: tests use little at a time. */
    long allocate(int bytes) {
        if (next + bytes > GUEST_BASE + MEMORY_BYTES) {
            next = arena;
        }
        long at = next;
        next += bytes;
        return at;
    }

    long host(long guestAddress) {
        return memory.address() + guestAddress - GUEST_BASE;
    }

    byte[] read(long guestAddress, int length) {
        byte[] bytes = new byte[length];
        Memory.copyToArray(host(guestAddress), bytes, 0, length);
        return bytes;
    }

    static byte[] header(int flags, int gsoType, int headerLength, int gsoSize, int start, int offset) {
        byte[] header = new byte[NetHeader.BYTES];
        try (Mapping m = Mapping.anonymous(NetHeader.BYTES)) {
            Memory.putLong(m.address(), NetHeader.offload(flags, gsoType, headerLength, gsoSize, start));
            Memory.putShort(m.address() + NetHeader.CHECKSUM_OFFSET, offset);
            Memory.copyToArray(m.address(), header, 0, header.length);
        }
        return header;
    }

    static byte[] concat(byte[] first, byte[] second) {
        byte[] all = java.util.Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }

    /** Transmits a header and packet, cut at the given offsets into descriptors, direct ones. */
    void transmit(byte[] bytes, int... cuts) {
        long[] addresses = new long[cuts.length + 1];
        int[] lengths = new int[cuts.length + 1];
        cut(bytes, cuts, addresses, lengths);
        if (transmitq.add(addresses, lengths, 0, lengths.length, 0) < 0) {
            throw new AssertionError("transmitq is full");
        }
        transmitq.publishAvailable();
    }

    void transmitIndirect(byte[] bytes, int... cuts) {
        long[] addresses = new long[cuts.length + 1];
        int[] lengths = new int[cuts.length + 1];
        cut(bytes, cuts, addresses, lengths);
        long table = allocate(16 * lengths.length + 16) + 15 & -16L;
        if (transmitq.addIndirect(host(table), table, addresses, lengths, 0, lengths.length, 0) < 0) {
            throw new AssertionError("transmitq is full");
        }
        transmitq.publishAvailable();
    }

    /** As Linux does: a table that is longer than the queue; written here, as our own driver would not. */
    void transmitIndirectOversized(byte[] bytes, int... cuts) {
        long[] addresses = new long[cuts.length + 1];
        int[] lengths = new int[cuts.length + 1];
        cut(bytes, cuts, addresses, lengths);
        long table = allocate(16 * lengths.length + 16) + 15 & -16L;
        // One descriptor is added the regular way, and then said to be a table.
        int id = transmitq.add(new long[] {table}, new int[] {16 * lengths.length}, 0, 1, 0);
        for (int i = 0; i < lengths.length; i++) {
            long at = host(table) + 16L * i;
            boolean last = i == lengths.length - 1;
            Memory.putLong(at, addresses[i]);
            Memory.putInt(at + 8, lengths[i]);
            boolean split = (features & VirtioFeatures.RING_PACKED) == 0;
            Memory.putShort(at + 12, split && !last ? 1 : 0);
            Memory.putShort(at + 14, split && !last ? i + 1 : 0);
        }
        long descriptor = transmitq.descriptorAddress() - USER_BASE + memory.address() + 16L * id;
        boolean split = (features & VirtioFeatures.RING_PACKED) == 0;
        if (split) {
            Memory.putShort(descriptor + 12, 4);
            transmitq.publishAvailable();
        } else {
            transmitq.publishAvailable();
            Memory.putShort(descriptor + 14, Memory.getUnsignedShort(descriptor + 14) | 4);
        }
    }

    private void cut(byte[] bytes, int[] cuts, long[] addresses, int[] lengths) {
        int from = 0;
        for (int i = 0; i <= cuts.length; i++) {
            int to = i < cuts.length ? cuts[i] : bytes.length;
            lengths[i] = to - from;
            addresses[i] = allocate(lengths[i] + 3);
            Memory.copyFromArray(bytes, from, host(addresses[i]), lengths[i]);
            from = to;
        }
    }

    /** Posts a receive buffer of the given segments; returns the address of the first. */
    long post(int... segments) {
        long[] addresses = new long[segments.length];
        for (int i = 0; i < segments.length; i++) {
            addresses[i] = allocate(segments[i]);
            Memory.fill(host(addresses[i]), segments[i], (byte) 0xee);
        }
        if (receiveq.add(addresses, segments, 0, 0, segments.length) < 0) {
            throw new AssertionError("receiveq is full");
        }
        receiveq.publishAvailable();
        return addresses[0];
    }

    @Override
    public void close() {
        rx.close();
        tx.close();
        memory.close();
        file.close();
    }
}
