package io.gatun.bdev.virtio;

import io.gatun.bdev.Bdev;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.Vring;
import io.gatun.vhostuser.VringCounters;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.InflightLayout;
import io.gatun.vring.QueueConfig;
import io.gatun.vring.VirtioFeatures;
import java.util.ArrayList;
import java.util.List;

/**
 * A guest's driver, its memory and one queue of a virtio-blk device, all on the test's own thread: the test plays the
 * driver, and polls the queue in between. Guest, user and host addresses differ, so that none is taken for another.
 */
public final class BlkGuest implements AutoCloseable {
    static final int RING_SIZE = 64;

    /** What the driver sees of a finished request. */
    static final class Answer {
        private final int id;
        private final int status;
        private final byte[] data;
        private final long usedLength;

        private Answer(int id, int status, byte[] data, long usedLength) {
            this.id = id;
            this.status = status;
            this.data = data;
            this.usedLength = usedLength;
        }

        int id() {
            return id;
        }

        int status() {
            return status;
        }

        byte[] data() {
            return data;
        }

        long usedLength() {
            return usedLength;
        }
    }

    private static final long GUEST_BASE = 0x1_0000_0000L;
    private static final long USER_BASE = 0x7f00_0000_0000L;
    private static final long INFLIGHT_BYTES = 64 << 10;

    final VirtioBlkDevice device;
    final DriverQueue driver;
    final long features;
    private final boolean packed;
    private final Mapping memory;
    private final Mapping inflight = Mapping.anonymous(INFLIGHT_BYTES);
    private final GuestMemory guestMemory;
    private final long arenaStart;
    private long arenaNext;
    private final Pending[] pending = new Pending[RING_SIZE];
    DeviceQueue queue;
    VirtioBlkQueue handler;
    final VringCounters counters = new VringCounters();

    /** Where an added request's answer will be. */
    private record Pending(long inAddress, int inLength, long statusAddress) {}

    public BlkGuest(Bdev bdev, VirtioBlkOptions options, boolean packed) {
        this(new VirtioBlkDevice(bdev, options), packed, -1L);
    }

    BlkGuest(VirtioBlkDevice device, boolean packed, long featureMask) {
        this.device = device;
        this.packed = packed;
        long without = packed ? 0 : VirtioFeatures.RING_PACKED;
        features = device.features() & featureMask & ~without;
        device.attached(() -> {}, features);
        long ringBytes = DriverQueue.memoryBytes(packed, RING_SIZE);
        memory = Mapping.anonymous(ringBytes + (8 << 20));
        guestMemory = GuestMemory.of(List.of(
                new GuestMemory.Region(GUEST_BASE, memory.lengthBytes(), USER_BASE, memory.address())));
        driver = DriverQueue.create(packed, RING_SIZE, features, memory.address(), USER_BASE);
        arenaStart = GUEST_BASE + ringBytes;
        arenaNext = arenaStart;
        start(packed ? 1 << 15 | 1 << 31 : 0);
    }

    /** A queue from {@code base} on, over the same rings, memory and in-flight region. */
    private void start(int base) {
        long inflightBytes = InflightLayout.regionBytes(packed, RING_SIZE);
        queue = DeviceQueue.create(new QueueConfig(
                RING_SIZE,
                features,
                driver.descriptorAddress(),
                driver.availAddress(),
                driver.usedAddress(),
                base,
                guestMemory,
                inflight.address(),
                inflightBytes));
        handler = (VirtioBlkQueue) device.startQueue(0, new Vring(0, queue, null, -1, counters));
    }

    /** The back-end dies without a word, and another goes on; {@code base} is what the front-end tells it. */
    void restart(int base) {
        start(base);
    }

    /** Takes guest memory for a buffer; never given back. */
    long allocate(int bytes) {
        long address = arenaNext;
        arenaNext += bytes;
        if (arenaNext > GUEST_BASE + memory.lengthBytes()) {
            throw new IllegalStateException("the test's guest has no memory left");
        }
        return address;
    }

    /** Forgets every buffer. */
    void releaseBuffers() {
        arenaNext = arenaStart;
    }

    long host(long guestAddress) {
        return guestAddress - GUEST_BASE + memory.address();
    }

    long allocate(byte[] content) {
        long address = allocate(content.length);
        Memory.copyFromArray(content, 0, host(address), content.length);
        return address;
    }

    byte[] peek(long guestAddress, int length) {
        byte[] bytes = new byte[length];
        Memory.copyToArray(host(guestAddress), bytes, 0, length);
        return bytes;
    }

    long header(int type, long sector) {
        long address = allocate(16);
        Memory.putInt(host(address), type);
        Memory.putInt(host(address) + 4, 0);
        Memory.putLong(host(address) + 8, sector);
        return address;
    }

    /** Adds a chain of the segments given; the driver's part of hostile tests. */
    int add(long[] addresses, int[] lengths, int readable) {
        int id = driver.add(addresses, lengths, 0, readable, addresses.length - readable);
        boolean ignored = driver.publishAvailable();
        return id;
    }

    /** Adds a request in the usual three parts; data may be empty on either side. */
    int add(int type, long sector, byte[] out, int inLength) {
        List<Long> addresses = new ArrayList<>();
        List<Integer> lengths = new ArrayList<>();
        addresses.add(header(type, sector));
        lengths.add(16);
        if (out.length != 0) {
            addresses.add(allocate(out));
            lengths.add(out.length);
        }
        int readable = addresses.size();
        long in = 0;
        if (inLength != 0) {
            in = allocate(inLength);
            addresses.add(in);
            lengths.add(inLength);
        }
        long status = allocate(1);
        Memory.putByte(host(status), (byte) 0xee);
        addresses.add(status);
        lengths.add(1);
        int id = add(
                addresses.stream().mapToLong(Long::longValue).toArray(),
                lengths.stream().mapToInt(Integer::intValue).toArray(),
                readable);
        if (id < 0) {
            throw new IllegalStateException("the ring is full");
        }
        pending[id] = new Pending(in, inLength, status);
        return id;
    }

    /** Takes one answer, or null. */
    Answer take() {
        int id = driver.popUsed();
        if (id < 0) {
            return null;
        }
        Pending request = pending[id];
        return new Answer(
                id,
                Memory.getByte(host(request.statusAddress)),
                request.inLength == 0 ? new byte[0] : peek(request.inAddress, request.inLength),
                driver.usedLength());
    }

    /** Polls until an answer is there; fails after a few seconds. */
    Answer await() {
        long deadline = System.nanoTime() + 5_000_000_000L;
        while (true) {
            int ignored = handler.poll(32);
            Answer answer = take();
            if (answer != null) {
                return answer;
            }
            if (queue.isBroken() || driver.isBroken() || System.nanoTime() - deadline > 0) {
                throw new IllegalStateException(
                        "no answer; device: " + queue.brokenReason() + ", driver: " + driver.brokenReason());
            }
            Thread.onSpinWait();
        }
    }

    Answer run(int type, long sector, byte[] out, int inLength) {
        int ignored = add(type, sector, out, inLength);
        return await();
    }

    Answer write(long sector, byte[] data) {
        return run(VirtioBlk.T_OUT, sector, data, 0);
    }

    Answer read(long sector, int bytes) {
        return run(VirtioBlk.T_IN, sector, new byte[0], bytes);
    }

    /** The bytes of discard or write-zeroes ranges: sector, sectors and flags of each. */
    static byte[] ranges(long... triples) {
        java.nio.ByteBuffer buffer = java.nio.ByteBuffer.allocate(triples.length / 3 * 16)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < triples.length; i += 3) {
            buffer.putLong(triples[i]).putInt((int) triples[i + 1]).putInt((int) triples[i + 2]);
        }
        return buffer.array();
    }

    @Override
    public void close() {
        handler.close();
        device.detached();
        memory.close();
        inflight.close();
    }
}
