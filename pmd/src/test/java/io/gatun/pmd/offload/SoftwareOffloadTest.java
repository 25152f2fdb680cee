package io.gatun.pmd.offload;

import static io.gatun.pmd.NetHeader.F_NEEDS_CSUM;
import static io.gatun.pmd.NetHeader.GSO_ECN;
import static io.gatun.pmd.NetHeader.GSO_TCPV4;
import static io.gatun.pmd.NetHeader.GSO_TCPV6;
import static io.gatun.pmd.NetHeader.GSO_UDP;
import static io.gatun.pmd.NetHeader.GSO_UDP_L4;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.MemoryPort;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.TestFrames;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a transmit queue does for a receiver that cannot: VIRTIO 1.3 §5.1.6.2 and §5.1.6.4. */
class SoftwareOffloadTest {
    private static final int FIN = 1;
    private static final int PSH = 8;
    private static final int ACK = 16;
    private static final int CWR = 128;
    private static final byte[] NO_EXTENSION = {};

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Random random = new Random(20261121);
    private final MemoryPort sender = new MemoryPort("from", 1);
    private final MemoryPort receiver = new MemoryPort("to", 1);

    @AfterEach
    void close() {
        sender.close();
        receiver.close();
    }

    @Test
    void whatAsksForNothingPassesAsItIs() {
        byte[] frame = TestFrames.ethernet(TestFrames.mac(1), TestFrames.mac(2));
        assertArrayEquals(frame, sent(frame, 0, 0).getFirst());
    }

    @Test
    void aMissingTcpChecksumIsFilledIn() {
        byte[] frame = tcp4(random(333), ACK, 0);
        List<byte[]> sent = sent(frame, NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 34), 16, 20, 15, 1, 99);
        assertTrue(TestFrames.checksumIsRight(sent.getFirst(), 14, 34, 6));
    }

    @Test
    void aReceiverThatCanIsLeftToIt() {
        receiver.offloads(Offloads.ALL);
        byte[] frame = tcp4(random(333), ACK, 0);
        long word = NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 100, 34);
        receiver.txQueues().getFirst().send(put(frame, word, 16));
        assertEquals(List.of(word), receiver.words());
        assertArrayEquals(frame, receiver.taken().getFirst());
    }

    @Test
    void aUdpChecksumOfZeroIsWrittenAsOnes() {
        byte[] frame = udp4(new byte[2]);
        int sum = TestFrames.onesSum(frame, 34, frame.length, TestFrames.pseudoSum(frame, 14, 34, 17));
        frame[frame.length - 2] = (byte) (~sum >> 8);
        frame[frame.length - 1] = (byte) ~sum;
        byte[] out = sent(TestFrames.seeded(frame, 14, 34, 17), NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 34), 6)
                .getFirst();
        assertEquals(0xffff, TestFrames.number(out, 40));
    }

    @Test
    void onlyPrivateCopiesAreChanged() {
        byte[] frame = tcp4(random(3000), ACK, 0);
        Burst burst = put(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34), 16, 10, 50);
        receiver.txQueues().getFirst().send(burst);
        assertArrayEquals(frame, MemoryPort.bytes(burst, 0));
        assertEquals(3, receiver.taken().size());
    }

    @Test
    void tcpOverIpv4IsCutIntoSegments() {
        byte[] payload = random(10_000);
        byte[] frame = tcp4(payload, FIN | PSH | ACK | CWR, 12);
        List<byte[]> sent = sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, 66, 1448, 34), 16);
        assertEquals(7, sent.size());
        byte[] joined = {};
        for (int i = 0; i < sent.size(); i++) {
            byte[] segment = sent.get(i);
            assertEquals(segment.length - 14, TestFrames.number(segment, 16));
            assertEquals((0xfffe + i) & 0xffff, TestFrames.number(segment, 18));
            assertEquals(0xffff, TestFrames.onesSum(segment, 14, 34, 0), "the header's checksum");
            assertTrue(TestFrames.checksumIsRight(segment, 14, 34, 6));
            int flags = ACK | (i == 0 ? CWR : 0) | (i == 6 ? FIN | PSH : 0);
            assertEquals(flags, segment[47] & 0xff, "flags of segment " + i);
            int sequence = TestFrames.number(segment, 38) << 16 | TestFrames.number(segment, 40);
            assertEquals(0xfffffe00 + 1448 * i, sequence);
            joined = TestFrames.join(joined, TestFrames.from(segment, 66));
        }
        assertArrayEquals(payload, joined);
    }

    @Test
    void udpBecomesDatagrams() {
        byte[] payload = random(2500);
        byte[] packet = TestFrames.ipv6(17, NO_EXTENSION, TestFrames.udp(7, 8, payload));
        byte[] frame = TestFrames.seeded(TestFrames.ethernet(1, 2, 0x86dd, packet), 14, 54, 17);
        List<byte[]> sent = sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_UDP_L4, 62, 1000, 54), 6);
        byte[] joined = {};
        for (byte[] datagram : sent) {
            assertEquals(datagram.length - 54, TestFrames.number(datagram, 58));
            assertEquals(datagram.length - 54, TestFrames.number(datagram, 18));
            assertTrue(TestFrames.checksumIsRight(datagram, 14, 54, 17));
            joined = TestFrames.join(joined, TestFrames.from(datagram, 62));
        }
        assertArrayEquals(payload, joined);
        assertEquals(3, sent.size());
    }

    @Test
    void anyLayoutOfAnyPacketIsCutRight() {
        for (int round = 0; round < 500; round++) {
            boolean ipv6 = random.nextBoolean();
            boolean tcp = random.nextBoolean();
            int tags = random.nextInt(3);
            byte[] extension = ipv6 && random.nextBoolean() ? new byte[] {(byte) (tcp ? 6 : 17), 1, 1, 12, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0, 0} : NO_EXTENSION;
            int ipOptions = ipv6 ? 0 : 4 * random.nextInt(11);
            int tcpOptions = tcp ? 4 * random.nextInt(11) : 0;
            byte[] payload = random(1 + random.nextInt(20_000));
            int protocol = tcp ? 6 : 17;
            byte[] inner = tcp ? TestFrames.tcp(1, 2, ACK, tcpOptions, payload) : TestFrames.udp(1, 2, payload);
            byte[] packet = ipv6
                    ? TestFrames.ipv6(extension.length == 0 ? protocol : 60, extension, inner)
                    : TestFrames.ipv4(protocol, ipOptions, inner);
            byte[] frame = TestFrames.ethernet(1, 2, ipv6 ? 0x86dd : 0x0800, packet);
            for (int i = 0; i < tags; i++) {
                frame = TestFrames.tagged(frame, 5 + i);
            }
            int network = 14 + 4 * tags;
            int transport = network + (ipv6 ? 40 + extension.length : 20 + ipOptions);
            TestFrames.seeded(frame, network, transport, protocol);
            int headers = transport + (tcp ? 20 + tcpOptions : 8);
            int gsoSize = payload.length / 200 + 1 + random.nextInt(1300);
            int type = tcp ? ipv6 ? GSO_TCPV6 : GSO_TCPV4 : GSO_UDP_L4;
            List<byte[]> sent = sent(
                    frame,
                    NetHeader.offload(F_NEEDS_CSUM, type, headers, gsoSize, transport),
                    tcp ? 16 : 6,
                    random.ints(random.nextInt(20), 1, 400).toArray());
            byte[] joined = {};
            for (byte[] segment : sent) {
                String where = "round " + round;
                assertTrue(segment.length <= headers + gsoSize, where);
                assertTrue(TestFrames.checksumIsRight(segment, network, transport, protocol), where);
                assertArrayEquals(
                        TestFrames.from(java.util.Arrays.copyOf(frame, network), 0),
                        TestFrames.from(java.util.Arrays.copyOf(segment, network), 0));
                joined = TestFrames.join(joined, TestFrames.from(segment, headers));
            }
            assertEquals((payload.length + gsoSize - 1) / gsoSize, sent.size());
            assertArrayEquals(payload, joined);
        }
    }

    @Test
    void manyLargePacketsFillSeveralBurstsInOrder() {
        Burst burst = sender.burst();
        for (int i = 0; i < 20; i++) {
            byte[] payload = new byte[6000];
            payload[0] = (byte) i;
            sender.with(tcp4(payload, ACK, 0));
            burst.offloads[i] = NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34);
            burst.checksumOffsets[i] = 16;
        }
        receiver.txQueues().getFirst().send(burst);
        List<byte[]> sent = receiver.taken();
        assertEquals(120, sent.size());
        for (int i = 0; i < 20; i++) {
            assertEquals(i, sent.get(6 * i)[54]);
        }
    }

    @Test
    void finishingAllocatesNothing() {
        receiver.countOnly();
        long large = NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34);
        Burst burst = put(tcp4(random(20_000), ACK, 0), large, 16, 30);
        sender.with(tcp4(random(500), ACK, 0), 60);
        burst.offloads[1] = NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 34);
        burst.checksumOffsets[1] = 16;
        long thread = Thread.currentThread().threadId();
        long deadline = System.nanoTime() + 20_000_000_000L;
        long allocated;
        do {
            long before = THREADS.getThreadAllocatedBytes(thread);
            for (int i = 0; i < 1_000; i++) {
                receiver.txQueues().getFirst().send(burst);
            }
            allocated = THREADS.getThreadAllocatedBytes(thread) - before;
        } while (allocated != 0 && System.nanoTime() < deadline);
        assertEquals(0, allocated, "bytes allocated in 1000 bursts");
        assertEquals(0, receiver.txQueues().getFirst().counters().dropped());
    }

    @Test
    void whatIsLongerThanTheMtuIsDropped() {
        receiver.offloads(Offloads.ALL);
        assertEquals(1, sent(new byte[1518], 0, 0).size());
        assertEquals(0, sent(new byte[1519], 0, 0).size());
        assertEquals(1, drops(Drop.TOO_LONG));
        byte[] frame = tcp4(random(9000), ACK, 0);
        assertEquals(1, sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1464, 34), 16).size());
        assertEquals(0, sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1465, 34), 16).size());
        assertEquals(2, drops(Drop.TOO_LONG));
        receiver.setMtu(9000);
        assertEquals(1, sent(new byte[9018], 0, 0).size());
    }

    @Test
    void headersThatContradictThemselvesAreDropped() {
        byte[] frame = tcp4(random(3000), ACK, 0);
        byte[] fragment = frame.clone();
        fragment[20] = 0x20;
        byte[] shortTcp = frame.clone();
        shortTcp[46] = 0x10;
        byte[] shortIp = frame.clone();
        shortIp[14] = 0x41;
        List<Runnable> cases = List.of(
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 3_050), 6),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 0xffff), 0xffff),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, 0, 0, 0, 200), 6),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 0, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV6, 54, 1000, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_UDP_L4, 54, 1000, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 33), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34), 6),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, 2, 54, 1000, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_ECN, 54, 1000, 34), 16),
                () -> sent(frame, NetHeader.offload(F_NEEDS_CSUM, 0x7f, 54, 1000, 34), 16),
                () -> sent(fragment, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34), 16),
                () -> sent(shortTcp, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34), 16),
                () -> sent(shortIp, NetHeader.offload(F_NEEDS_CSUM, GSO_TCPV4, 54, 1000, 34), 16),
                () -> sent(new byte[1], NetHeader.offload(0, GSO_TCPV4, 54, 1000, 34), 16));
        for (int i = 0; i < cases.size(); i++) {
            cases.get(i).run();
            assertEquals(i + 1, drops(Drop.BAD_HEADER), "case " + i);
        }
        assertEquals(0, sent(frame, NetHeader.offload(F_NEEDS_CSUM, GSO_UDP, 54, 1000, 34), 16).size());
        assertEquals(1, drops(Drop.TOO_LONG));
    }

    @Test
    void randomHeadersHurtNobody() {
        for (int round = 0; round < 20_000; round++) {
            byte[] frame = random(1 + random.nextInt(300));
            if (frame.length > 60 && random.nextInt(4) != 0) {
                boolean ipv6 = random.nextBoolean();
                frame[12] = (byte) (ipv6 ? 0x86 : 0x08);
                frame[13] = (byte) (ipv6 ? 0xdd : 0);
                frame[14] = (byte) (ipv6 ? 0x60 : 0x40 | random.nextInt(16));
                frame[ipv6 ? 20 : 23] = new byte[] {0, 6, 17, 43, 44, 51, 60}[random.nextInt(7)];
            }
            int type = new int[] {0, 1, 3, 4, 5, 0x81, 0x84}[random.nextInt(7)];
            long word = NetHeader.offload(
                    random.nextInt(4), type, random.nextInt(), 1 + random.nextInt(200), random.nextInt(120));
            sent(frame, word, random.nextInt(40), random.ints(random.nextInt(6), 1, 60).toArray());
        }
    }

    private Burst put(byte[] frame, long word, int checksumOffset, int... runs) {
        Burst burst = sender.burst();
        sender.with(frame, runs);
        burst.offloads[0] = word;
        burst.checksumOffsets[0] = checksumOffset;
        return burst;
    }

    private List<byte[]> sent(byte[] frame, long word, int checksumOffset, int... runs) {
        receiver.txQueues().getFirst().send(put(frame, word, checksumOffset, runs));
        return receiver.taken();
    }

    private long drops(Drop cause) {
        return receiver.txQueues().getFirst().counters().dropped(cause);
    }

    private byte[] random(int bytes) {
        byte[] random = new byte[bytes];
        this.random.nextBytes(random);
        return random;
    }

    private static byte[] tcp4(byte[] payload, int flags, int options) {
        byte[] segment = TestFrames.tcp(1000, 2000, flags, options, payload);
        return TestFrames.seeded(TestFrames.ethernet(1, 2, 0x0800, TestFrames.ipv4(6, 0, segment)), 14, 34, 6);
    }

    private static byte[] udp4(byte[] payload) {
        return TestFrames.ethernet(1, 2, 0x0800, TestFrames.ipv4(17, 0, TestFrames.udp(1, 2, payload)));
    }
}
