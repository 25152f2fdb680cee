package io.gatun.pmd.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.vring.VirtioFeatures;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is sent to a guest lies in the buffers that it posted (VIRTIO 1.3 §5.1.6.4), or is dropped and counted. */
@ParameterizedClass(name = "packed={0}")
@ValueSource(booleans = {false, true})
class TxRingTest {
    private static final int HEADER = NetHeader.BYTES;

    @Parameter
    boolean packed;

    private final Mapping packets = Mapping.anonymous(1 << 20);
    private final Burst burst = new Burst();
    private NetGuest guest;

    @BeforeEach
    void attach() {
        guest = new NetGuest(packed, 0);
        for (int i = 0; i < 1 << 20; i += 4) {
            Memory.putInt(packets.address() + i, i * 0x9e3779b1);
        }
    }

    @AfterEach
    void release() {
        guest.close();
        burst.close();
        packets.close();
    }

    private byte[] bytes(int offset, int length) {
        byte[] bytes = new byte[length];
        Memory.copyToArray(packets.address() + offset, bytes, 0, length);
        return bytes;
    }

    private void add(int offset, int length) {
        burst.add(packets.address() + offset, length);
    }

    private void send() {
        guest.port.txQueue.send(burst);
        burst.clear();
    }

    private byte[] popUsed(long buffer) {
        assertFalse(guest.receiveq.popUsed() < 0, "a used buffer");
        return guest.read(buffer, (int) guest.receiveq.usedLength());
    }

    private void assertDropped(Drop cause, int count) {
        assertEquals(count, guest.port.txQueue.counters().dropped(cause));
        assertEquals(count, guest.port.txQueue.counters().dropped());
    }

    @Test
    @DisplayName("§5.1.6.4: header, one buffer, then the packet")
    void oneBuffer() {
        long first = guest.post(2048);
        long second = guest.post(2048);
        add(0, 60);
        add(100, 1514);
        send();
        byte[] header = new byte[HEADER];
        header[NetHeader.NUM_BUFFERS] = 1;
        assertArrayEquals(NetGuest.concat(header, bytes(0, 60)), popUsed(first));
        assertArrayEquals(NetGuest.concat(header, bytes(100, 1514)), popUsed(second));
        assertEquals(2, guest.port.txQueue.counters().packets());
        assertEquals(1574, guest.port.txQueue.counters().bytes());
        assertDropped(Drop.NO_BUFFER, 0);
    }

    @Test
    @DisplayName("§5.1.6.4.1: num_buffers, all but the last buffer full")
    void mergeable() {
        long[] buffers = new long[5];
        for (int i = 0; i < 5; i++) {
            buffers[i] = guest.post(1000);
        }
        add(0, 60);
        add(0, 3000);
        send();
        popUsed(buffers[0]);
        byte[] all = popUsed(buffers[1]);
        assertEquals(4, all[NetHeader.NUM_BUFFERS]);
        assertEquals(1000, all.length);
        for (int i = 2; i < 5; i++) {
            all = NetGuest.concat(all, popUsed(buffers[i]));
        }
        assertArrayEquals(bytes(0, 3000), Arrays.copyOfRange(all, HEADER, all.length));
    }

    @Test
    @DisplayName("§5.1.6.4.1: surplus buffers stay available")
    void surplusStays() {
        guest.post(1000);
        long second = guest.post(1000);
        add(0, 3000);
        send();
        assertDropped(Drop.NO_BUFFER, 1);
        assertTrue(guest.receiveq.popUsed() < 0, "nothing was used");
        add(0, 500);
        send();
        guest.receiveq.popUsed();
        add(500, 100);
        send();
        assertArrayEquals(bytes(500, 100), Arrays.copyOfRange(popUsed(second), HEADER, HEADER + 100));
    }

    @Test
    void tooLongForAGuestWithoutMergeableBuffersIsDroppedAndTheBufferKept() {
        try (NetGuest small = new NetGuest(packed, VirtioNet.F_MRG_RXBUF)) {
            long buffer = small.post(12, 1000);
            small.post(12, 1000);
            add(0, 1001);
            add(0, 1000);
            small.port.txQueue.send(burst);
            assertEquals(1, small.port.txQueue.counters().dropped(Drop.TOO_LONG));
            assertEquals(1, small.port.txQueue.counters().packets());
            assertFalse(small.receiveq.popUsed() < 0);
            assertEquals(HEADER + 1000, small.receiveq.usedLength());
            assertEquals(1, small.read(buffer, HEADER)[NetHeader.NUM_BUFFERS]);
            assertTrue(small.receiveq.popUsed() < 0);
        }
    }

    @Test
    void aGuestThatPostsNothingLosesItsPacketsOnly() {
        for (int i = 0; i < 64; i++) {
            add(0, 60);
        }
        send();
        assertDropped(Drop.NO_BUFFER, 64);
    }

    @Test
    void moreThanTheRingHolds() {
        for (int i = 0; i < 10; i++) {
            guest.post(2048);
        }
        for (int i = 0; i < 64; i++) {
            add(i, 60);
        }
        send();
        assertEquals(10, guest.port.txQueue.counters().packets());
        assertDropped(Drop.NO_BUFFER, 54);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 11, 12, 13, 31})
    @DisplayName("§5.1.6.3.1: buffers that are smaller than a header still add up")
    void tinySegmentsAndBuffers(int size) {
        int buffers = Math.min(NetGuest.RING_SIZE, (HEADER + 48 + size - 1) / size);
        long[] posted = new long[buffers];
        for (int i = 0; i < buffers; i++) {
            posted[i] = guest.post(size);
        }
        int length = Math.min(buffers * size - HEADER, 48);
        add(7, length);
        send();
        assertEquals(1, guest.port.txQueue.counters().packets());
        byte[] all = new byte[0];
        for (long buffer : posted) {
            all = NetGuest.concat(all, popUsed(buffer));
        }
        assertEquals(buffers, all[NetHeader.NUM_BUFFERS]);
        assertArrayEquals(bytes(7, length), Arrays.copyOfRange(all, HEADER, all.length));
    }

    @Test
    void aPacketInPiecesIntoABufferInPieces() {
        long first = guest.post(100, 1, 899);
        add(0, 20);
        burst.addSegment(packets.address() + 500, 300);
        burst.addSegment(packets.address() + 5000, 77);
        send();
        byte[] expected = NetGuest.concat(NetGuest.concat(bytes(0, 20), bytes(500, 300)), bytes(5000, 77));
        byte[] all = popUsed(first);
        assertEquals(HEADER + 397, all.length);
        // The segments were allocated one behind the other.
        assertArrayEquals(expected, Arrays.copyOfRange(all, HEADER, all.length));
    }

    @Test
    @DisplayName("§5.1.6.4: offloads that the driver negotiated go into the header")
    void offloadsInTheHeader() {
        assertEquals(Offloads.ALL & ~Offloads.UFO, guest.port.txQueue.offloads());
        long first = guest.post(4096);
        long second = guest.post(4096);
        long word = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 1448, 34);
        add(0, 3000);
        burst.offloads[0] = word;
        burst.checksumOffsets[0] = 16;
        burst.add(packets.address(), 60);
        burst.checksumOffsets[1] = 99;
        // Straight to the ring: the queue would look into these packets, which are no TCP.
        assertEquals(2, guest.tx.send(burst, new int[] {0, 1}, 2));
        byte[] header = Arrays.copyOf(popUsed(first), HEADER);
        byte[] expected = NetGuest.header(1, 1, 54, 1448, 34, 16);
        expected[NetHeader.NUM_BUFFERS] = 1;
        assertArrayEquals(expected, header);
        byte[] plain = new byte[HEADER];
        plain[NetHeader.NUM_BUFFERS] = 1;
        assertArrayEquals(plain, Arrays.copyOf(popUsed(second), HEADER), "stale fields are overwritten");
        assertEquals(1, guest.port.txQueue.counters().segmented());
    }

    @Test
    void offloadsAreWhatTheGuestNegotiated() {
        try (NetGuest plain = new NetGuest(packed, VirtioNet.F_GUEST_CSUM)) {
            assertEquals(Offloads.NONE, plain.port.txQueue.offloads());
        }
        try (NetGuest plain = new NetGuest(packed, VirtioNet.F_GUEST_TSO6 | VirtioNet.F_GUEST_USO4)) {
            assertEquals(Offloads.CHECKSUM | Offloads.TSO4 | Offloads.ECN, plain.port.txQueue.offloads());
        }
    }

    @Test
    @DisplayName("§5.1.6.3: a receive buffer that is readable breaks the queue, and no other")
    void readableReceiveBuffer() {
        long buffer = guest.allocate(2048);
        guest.receiveq.add(new long[] {buffer}, new int[] {2048}, 0, 1, 0);
        guest.receiveq.publishAvailable();
        add(0, 60);
        send();
        assertTrue(guest.receiveDevice.isBroken());
        add(0, 60);
        send();
        assertEquals(2, guest.port.txQueue.counters().dropped());
        assertFalse(guest.transmitDevice.isBroken());
    }

    @Test
    void aQueueThatIsDisabledOrStoppedDrops() {
        guest.post(2048);
        guest.tx.enable(false);
        add(0, 60);
        send();
        assertDropped(Drop.LINK_DOWN, 1);
        assertFalse(guest.port.linkUp());
        guest.tx.enable(true);
        assertTrue(guest.port.linkUp());
        add(0, 60);
        send();
        assertEquals(1, guest.port.txQueue.counters().packets());
    }

    @Test
    @DisplayName("§5.1.6.1: a legacy driver without mergeable buffers has a header of ten bytes")
    void legacyHeader() {
        try (NetGuest legacy = new NetGuest(packed, VirtioFeatures.VERSION_1 | VirtioNet.F_MRG_RXBUF)) {
            NetGuest.Received received = new NetGuest.Received();
            legacy.port.forwardTo(received);
            long buffer = legacy.post(NetHeader.SHORT_BYTES + 60);
            add(3, 60);
            legacy.port.txQueue.send(burst);
            assertFalse(legacy.receiveq.popUsed() < 0);
            assertArrayEquals(
                    NetGuest.concat(new byte[NetHeader.SHORT_BYTES], bytes(3, 60)),
                    legacy.read(buffer, NetHeader.SHORT_BYTES + 60));
            legacy.transmit(NetGuest.concat(new byte[NetHeader.SHORT_BYTES], bytes(9, 70)));
            assertEquals(1, legacy.rx.poll(64));
            assertArrayEquals(bytes(9, 70), received.packets.getFirst());
        }
    }
}
