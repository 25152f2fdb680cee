package io.gatun.pmd.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a guest transmits becomes packets, or is dropped and counted (VIRTIO 1.3 §5.1.6.2); its queue goes on. */
@ParameterizedClass(name = "packed={0}")
@ValueSource(booleans = {false, true})
class RxRingTest {
    private static final byte[] PLAIN = new byte[NetHeader.BYTES];

    @Parameter
    boolean packed;

    private final NetGuest.Received received = new NetGuest.Received();
    private NetGuest guest;

    @BeforeEach
    void attach() {
        guest = new NetGuest(packed, 0);
        guest.port.forwardTo(received);
    }

    @AfterEach
    void release() {
        guest.close();
    }

    private static byte[] packet(int length) {
        byte[] packet = new byte[length];
        for (int i = 0; i < length; i++) {
            packet[i] = (byte) (i * 7 + length);
        }
        return packet;
    }

    private void assertDropped(Drop cause) {
        assertEquals(1, guest.rx.poll(64));
        assertEquals(0, received.packets.size());
        assertEquals(1, guest.port.rxQueue.counters().dropped(cause));
        assertEquals(1, guest.port.rxQueue.counters().dropped());
        assertGoesOn();
    }

    /** The dropped chain came back, and the queue still works. */
    private void assertGoesOn() {
        assertFalse(guest.transmitq.popUsed() < 0, "the chain is used");
        assertEquals(0, guest.transmitq.usedLength());
        assertFalse(guest.transmitDevice.isBroken(), guest.transmitDevice.brokenReason());
        received.packets.clear();
        byte[] packet = packet(60);
        guest.transmit(NetGuest.concat(PLAIN, packet));
        assertEquals(1, guest.rx.poll(64));
        assertArrayEquals(packet, received.packets.getFirst());
    }

    private void transmitMany(int count) {
        for (int i = 0; i < count; i++) {
            guest.transmit(NetGuest.concat(PLAIN, packet(60)));
        }
    }

    /** Packets of the next two polls, the second of which finds as many as the first found. */
    private List<Integer> twoPolls(int count) {
        transmitMany(count);
        int first = guest.rx.poll(64);
        transmitMany(count);
        return List.of(first, guest.rx.poll(64));
    }

    @Test
    void aDriverInFullSwingIsLeftAloneForAMoment() {
        guest.tickNanos = RxRing.PAUSE_NANOS / 4;
        assertEquals(List.of(RxRing.BULK, 0), twoPolls(RxRing.BULK));
        assertEquals(0, guest.rx.poll(64));
        assertEquals(0, guest.rx.poll(64));
        assertEquals(RxRing.BULK, guest.rx.poll(64), "the pause is over");
        assertEquals(2 * RxRing.BULK, received.packets.size());
    }

    @Test
    void whoGivesLittleOrMuchAtOnceIsServedAtOnce() {
        guest.tickNanos = 0;
        int little = RxRing.BULK - 1;
        assertEquals(List.of(little, little), twoPolls(little));
        int ample = NetGuest.RING_SIZE / 4;
        assertEquals(List.of(ample, ample), twoPolls(ample));
        transmitMany(2 * RxRing.BULK);
        assertEquals(RxRing.BULK, guest.rx.poll(RxRing.BULK));
        assertEquals(RxRing.BULK, guest.rx.poll(RxRing.BULK), "it was the caller who wanted no more");
    }

    @ParameterizedTest
    @CsvSource({"60, ''", "60, 12", "60, 26", "1514, '12 100 700'", "60, '1 2 3 4 5'", "60, '5 11'", "14, '11 25'"})
    @DisplayName("§2.7.4.2: however header and packet are cut into descriptors")
    void howeverCut(int length, String cuts) {
        int[] at = cuts.isEmpty()
                ? new int[0]
                : Stream.of(cuts.split(" ")).mapToInt(Integer::parseInt).toArray();
        byte[] packet = packet(length);
        guest.transmit(NetGuest.concat(PLAIN, packet), at);
        guest.transmitIndirect(NetGuest.concat(PLAIN, packet), at);
        assertEquals(2, guest.rx.poll(64));
        assertArrayEquals(packet, received.packets.get(0));
        assertArrayEquals(packet, received.packets.get(1));
        assertEquals(0L, received.offloads.getFirst());
        assertEquals(2, guest.port.rxQueue.counters().packets());
        assertEquals(2L * length, guest.port.rxQueue.counters().bytes());
    }

    @Test
    @DisplayName("§5.1.6.2: a chain of 1024 descriptors is one packet")
    void manyDescriptors() {
        byte[] packet = packet(2036);
        int[] cuts = IntStream.range(1, 1024).map(i -> 2 * i).toArray();
        guest.transmitIndirectOversized(NetGuest.concat(PLAIN, packet), cuts);
        assertEquals(1, guest.rx.poll(64));
        assertArrayEquals(packet, received.packets.getFirst());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 11, 12, 13, 25})
    void lessThanAnEthernetHeaderIsNoPacket(int bytes) {
        guest.transmit(new byte[bytes]);
        assertDropped(Drop.BAD_HEADER);
    }

    @Test
    void moreThanTheLargestPacketIsNoPacket() {
        guest.transmit(new byte[NetHeader.BYTES + VirtioNet.MAX_PACKET_BYTES + 1]);
        assertDropped(Drop.BAD_HEADER);
    }

    @Test
    void theLargestPacketIsOne() {
        byte[] packet = packet(VirtioNet.MAX_PACKET_BYTES);
        guest.transmit(NetGuest.concat(PLAIN, packet), 12, 30_000);
        assertEquals(1, guest.rx.poll(64));
        assertArrayEquals(packet, received.packets.getFirst());
    }

    @Test
    void aChainWithoutReadableBytesIsNoPacket() {
        long buffer = guest.allocate(2048);
        guest.transmitq.add(new long[] {buffer}, new int[] {2048}, 0, 0, 1);
        guest.transmitq.publishAvailable();
        assertDropped(Drop.BAD_HEADER);
    }

    @ParameterizedTest(name = "flags={0} gso_type={1} gso_size={2} csum_start={3} csum_offset={4}")
    @CsvSource({
        // A checksum that is not in the packet.
        "1, 0, 0, 99, 0",
        "1, 0, 0, 98, 1",
        "1, 0, 0, 65535, 65535",
        "1, 0, 0, 0, 99",
        // Segmentation without a checksum, without a size, of an unknown or unoffered kind.
        "0, 1, 1000, 0, 0",
        "1, 1, 0, 34, 16",
        "1, 2, 1000, 34, 16",
        "1, 3, 1000, 34, 6",
        "1, 6, 1000, 34, 16",
        "1, 255, 1000, 34, 16",
        "1, 128, 1000, 34, 16",
        "1, 133, 1000, 34, 6",
    })
    @DisplayName("§5.1.6.2.1: headers that no driver may write")
    void badHeaders(int flags, int type, int size, int start, int offset) {
        guest.transmit(NetGuest.concat(NetGuest.header(flags, type, 54, size, start, offset), packet(100)));
        assertDropped(Drop.BAD_HEADER);
    }

    @ParameterizedTest(name = "gso_type={0}")
    @ValueSource(ints = {0, 1, 4, 5, 0x81, 0x84})
    @DisplayName("§5.1.6.2.1: what a header asks for arrives as it was asked")
    void goodHeaders(int type) {
        byte[] header = NetGuest.header(1, type, 54, 1448, 34, 16);
        guest.transmit(NetGuest.concat(header, packet(9000)));
        guest.transmit(NetGuest.concat(header, packet(9000)), 3, 9, 40);
        assertEquals(2, guest.rx.poll(64));
        boolean large = type != 0;
        for (int i = 0; i < 2; i++) {
            assertEquals(
                    NetHeader.offload(1, type, large ? 54 : 0, large ? 1448 : 0, 34), received.offloads.get(i));
            assertEquals(16, received.checksumOffsets.get(i));
        }
        assertEquals(large ? 2 : 0, guest.port.rxQueue.counters().segmented());
    }

    @Test
    @DisplayName("§5.1.6.2.2: hints that mean nothing without NEEDS_CSUM are not passed on")
    void strayFieldsAreIgnored() {
        guest.transmit(NetGuest.concat(NetGuest.header(0xfe, 0, 65535, 65535, 65535, 65535), packet(60)));
        assertEquals(1, guest.rx.poll(64));
        assertEquals(0L, received.offloads.getFirst());
    }

    @Test
    void withoutOffloadsHeadersAreNotLookedAt() {
        try (NetGuest plain = new NetGuest(packed, VirtioNet.F_CSUM | VirtioNet.F_HOST_TSO4 | VirtioNet.F_HOST_TSO6
                | VirtioNet.F_HOST_USO | VirtioNet.F_HOST_ECN)) {
            plain.port.forwardTo(received);
            plain.transmit(NetGuest.concat(NetGuest.header(1, 1, 1, 1, 1, 1), packet(60)));
            assertEquals(1, plain.rx.poll(64));
            assertEquals(0L, received.offloads.getFirst());
        }
    }

    @Test
    @DisplayName("vhost-user: a ring that is started and not enabled discards what it takes")
    void disabledDiscards() {
        guest.rx.enable(false);
        guest.transmit(NetGuest.concat(PLAIN, packet(60)));
        assertEquals(1, guest.rx.poll(64));
        assertEquals(1, guest.port.rxQueue.counters().dropped(Drop.LINK_DOWN));
        assertEquals(0, received.packets.size());
        guest.rx.enable(true);
        assertGoesOn();
    }

    @Test
    void aStoppingRingTakesNothing() {
        guest.transmit(NetGuest.concat(PLAIN, packet(60)));
        assertEquals(0, guest.rx.poll(0));
        assertEquals(1, guest.rx.poll(1));
    }
}
