package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.vring.DriverQueue;
import java.nio.file.Path;

/**
 * A raw front-end with memory and rings: enough of a guest to exchange requests with {@link TestDevice}. Messages are
 * sent one by one, so that a test can leave out, repeat or spoil any of them.
 */
final class TestGuest implements AutoCloseable {
    static final long MEMORY_BYTES = 1 << 20;
    static final long GUEST_BASE = 0x4000_0000L;
    static final long USER_BASE = 0x7f00_0000_0000L;
    static final long PROTOCOL_BIT = 1L << 30;
    /** MQ, REPLY_ACK, BACKEND_REQ, CONFIG, BACKEND_SEND_FD, INFLIGHT_SHMFD, RESET_DEVICE, memory slots, STATUS. */
    static final long ALL_PROTOCOL = 1 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15 | 1 << 16;
    static final int BUFFER_BYTES = 512;

    private static final long RING_BYTES = 64 << 10;
    private static final long BUFFERS_AT = 512 << 10;

    final RawFrontend raw;
    final MemoryFile file = MemoryFile.create("guest", MEMORY_BYTES);
    final Mapping memory = file.map();
    final EventFd[] kicks = {EventFd.create(), EventFd.create()};
    final EventFd[] calls = {EventFd.create(), EventFd.create()};
    final EventFd[] errors = {EventFd.create(), EventFd.create()};
    final DriverQueue[] queues = new DriverQueue[2];
    long features = 1L << 32;

    TestGuest(RawFrontend raw) {
        this.raw = raw;
    }

    static TestGuest connect(Path path) {
        return new TestGuest(RawFrontend.connect(path));
    }

    boolean isPacked() {
        return (features & 1L << 34) != 0;
    }

    /** Everything up to a running, enabled ring, each step acknowledged. */
    void setUp(int index, int size) {
        negotiate();
        shareMemory();
        startRing(index, size);
        enable(index, 1);
    }

    void negotiate() {
        raw.askU64(RawFrontend.GET_FEATURES);
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(ALL_PROTOCOL));
        raw.send(RawFrontend.SET_OWNER, bytes());
        raw.ok(RawFrontend.SET_FEATURES, bytes(features | PROTOCOL_BIT));
    }

    static byte[] region(long guest, long size, long user, long offset) {
        return bytes(guest, size, user, offset);
    }

    static byte[] wholeMemory() {
        return region(GUEST_BASE, MEMORY_BYTES, USER_BASE, 0);
    }

    void shareMemory() {
        raw.ok(RawFrontend.SET_MEM_TABLE, bytes(1, 0, wholeMemory()), file.fd().value());
    }

    /** Ring memory is zeroed, as a driver's would be. */
    void makeQueue(int index, int size) {
        long offset = index * RING_BYTES;
        Memory.fill(memory.address() + offset, RING_BYTES, (byte) 0);
        queues[index] =
                DriverQueue.create(isPacked(), size, features, memory.address() + offset, USER_BASE + offset);
    }

    void setNum(int index, int size) {
        raw.ok(RawFrontend.SET_VRING_NUM, bytes(index, size));
    }

    void setBase(int index, int base) {
        raw.ok(RawFrontend.SET_VRING_BASE, bytes(index, base));
    }

    byte[] address(int index) {
        DriverQueue queue = queues[index];
        return bytes(index, 0, queue.descriptorAddress(), queue.usedAddress(), queue.availAddress(), 0L);
    }

    void setAddress(int index) {
        raw.ok(RawFrontend.SET_VRING_ADDR, address(index));
    }

    void setCall(int index) {
        raw.ok(RawFrontend.SET_VRING_CALL, bytes((long) index), calls[index].fd().value());
    }

    void setError(int index) {
        raw.ok(RawFrontend.SET_VRING_ERR, bytes((long) index), errors[index].fd().value());
    }

    void setKick(int index) {
        raw.ok(RawFrontend.SET_VRING_KICK, bytes((long) index), kicks[index].fd().value());
    }

    void startRing(int index, int size) {
        makeQueue(index, size);
        setNum(index, size);
        setBase(index, isPacked() ? 0x8000_8000 : 0);
        setAddress(index);
        setCall(index);
        setError(index);
        setKick(index);
    }

    void enable(int index, int value) {
        raw.ok(RawFrontend.SET_VRING_ENABLE, bytes(index, value));
    }

    int stop(int index) {
        RawFrontend.Reply reply = raw.ask(RawFrontend.GET_VRING_BASE, bytes(index, 0));
        assertEquals(8, reply.payload().limit());
        assertEquals(index, reply.payload().getInt(0));
        return reply.payload().getInt(4);
    }

    private long bufferOffset(int index) {
        return BUFFERS_AT + (long) index * BUFFER_BYTES;
    }

    /** Offers one writable buffer and kicks; the buffer is cleared before. */
    void offer(int index) {
        Memory.fill(memory.address() + bufferOffset(index), BUFFER_BYTES, (byte) 0);
        offerAt(index, GUEST_BASE + bufferOffset(index), BUFFER_BYTES);
    }

    void offerAt(int index, long guestAddress, int length) {
        DriverQueue queue = queues[index];
        int id = queue.add(new long[] {guestAddress}, new int[] {length}, 0, 0, 1);
        assertEquals(true, id >= 0, "a free descriptor");
        queue.publishAvailable();
        kicks[index].signal();
    }

    /** Waits for a call, takes the used buffer and looks at what the device wrote. */
    void awaitUsed(int index) {
        DriverQueue queue = queues[index];
        try (Epoll epoll = Epoll.create(1)) {
            epoll.add(calls[index].fd().value(), Epoll.EPOLLIN, 0);
            while (queue.popUsed() < 0) {
                if (queue.armCalls() && epoll.await(RawFrontend.PATIENCE_MILLIS) == 0) {
                    throw new AssertionError("no call; used buffer: " + (queue.popUsed() >= 0));
                }
                calls[index].drain();
            }
        }
        assertEquals(BUFFER_BYTES, queue.usedLength());
        assertEquals(TestDevice.FILL, Memory.getByte(memory.address() + bufferOffset(index)));
        assertEquals(TestDevice.FILL, Memory.getByte(memory.address() + bufferOffset(index) + BUFFER_BYTES - 1));
    }

    /** Whether the device wrote to the buffer of the last offer. */
    boolean isFilled(int index) {
        return Memory.getByte(memory.address() + bufferOffset(index) + BUFFER_BYTES - 1) == TestDevice.FILL;
    }

    void exchange(int index) {
        offer(index);
        awaitUsed(index);
    }

    /** Waits until the back-end reports a broken ring through the error descriptor. */
    void awaitError(int index) {
        BackendLab.await("the error eventfd of ring " + index, () -> errors[index].drain() > 0);
    }

    @Override
    public void close() {
        raw.close();
        memory.close();
        file.close();
        for (int i = 0; i < 2; i++) {
            kicks[i].close();
            calls[i].close();
            errors[i].close();
        }
    }
}
