package io.gatun.pmd.net;

import io.gatun.linux.Memory;
import io.gatun.pmd.NetHeader;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserFrontend;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The driver's end of a port, at its socket: one queue pair whose buffers all have their place. Unlike {@link
 * io.gatun.pmd.user.VirtioUserPort} it sends any header it is told to.
 */
final class FrontEnd implements AutoCloseable {
    static final int RING_SIZE = 256;
    static final int BUFFER_BYTES = 2048;

    private static final long GUEST_ADDRESS = 1L << 32;

    final VhostUserFrontend device;
    final FrontendQueue receiveq;
    final FrontendQueue transmitq;
    private final SharedMemory memory;
    private final long receiveBuffers;
    private final long transmitBuffers;

    /** Connects, and starts both rings with all that the device offers, less {@code without}. */
    FrontEnd(Path socket, long without) {
        device = VhostUserFrontend.connect(socket, Duration.ofSeconds(20));
        device.negotiate(device.features() & ~without);
        memory = SharedMemory.ofPages(GUEST_ADDRESS, 4 << 20);
        device.shareMemory(memory);
        receiveq = device.startQueue(0, RING_SIZE);
        transmitq = device.startQueue(1, RING_SIZE);
        receiveBuffers = memory.allocate(RING_SIZE * BUFFER_BYTES, 4096);
        transmitBuffers = memory.allocate(RING_SIZE * BUFFER_BYTES, 4096);
        receiveq.driver().suppressCalls();
        transmitq.driver().suppressCalls();
    }

    /** Posts every receive buffer that is not out. */
    void post() {
        for (int id = receiveq.driver().nextId(); id >= 0; id = receiveq.driver().nextId()) {
            int ignored = receiveq.driver()
                    .addOne(memory.toGuest(receiveBuffers + (long) id * BUFFER_BYTES), BUFFER_BYTES, true);
        }
        if (receiveq.driver().publishAvailable()) {
            receiveq.kick();
        }
    }

    /** Where the next packet is received, behind its header, or 0; {@link #receivedBytes} says how long it is. */
    long receive() {
        int id = receiveq.driver().popUsed();
        return id < 0 ? 0 : receiveBuffers + (long) id * BUFFER_BYTES + NetHeader.BYTES;
    }

    int receivedBytes() {
        return (int) receiveq.driver().usedLength() - NetHeader.BYTES;
    }

    /** Where the next packet to transmit goes, header first, or 0 if all are out. */
    long room() {
        while (transmitq.driver().popUsed() >= 0) {}
        int id = transmitq.driver().nextId();
        return id < 0 ? 0 : transmitBuffers + (long) id * BUFFER_BYTES;
    }

    /** Makes available what was written at {@link #room}: header and packet have so many bytes together. */
    void transmit(long at, int bytes) {
        int ignored = transmitq.driver().addOne(memory.toGuest(at), bytes, false);
    }

    void flush() {
        if (transmitq.driver().publishAvailable()) {
            transmitq.kick();
        }
    }

    /** An Ethernet frame from one station to another, 64 bytes, behind a header that asks for nothing. */
    static int write(long at, int target, int source, long number) {
        Memory.fill(at, NetHeader.BYTES + 64, (byte) 0);
        long packet = at + NetHeader.BYTES;
        Memory.putByte(packet, (byte) 2);
        Memory.putByte(packet + 5, (byte) target);
        Memory.putByte(packet + 6, (byte) 2);
        Memory.putByte(packet + 11, (byte) source);
        Memory.putShort(packet + 12, 0x00b5_88);
        Memory.putLong(packet + 16, number);
        return NetHeader.BYTES + 64;
    }

    @Override
    public void close() {
        device.close();
        memory.close();
    }
}
