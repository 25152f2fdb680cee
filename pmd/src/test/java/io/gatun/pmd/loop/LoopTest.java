package io.gatun.pmd.loop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What each forward mode sends, drops and leaves alone. */
class LoopTest {
    private final Mapping memory = Mapping.anonymous(1 << 20);
    private final Burst burst = new Burst();
    private final TestPort port = new TestPort("p0", 2, null);

    @AfterEach
    void close() {
        burst.close();
        memory.close();
    }

    /** Adds a packet of these bytes, in segments of at most {@code run} bytes. */
    private void add(byte[] packet, int run) {
        long at = memory.address() + burst.count * 2048L;
        Memory.copyFromArray(packet, 0, at, packet.length);
        burst.add(at, Math.min(run, packet.length));
        for (int i = run; i < packet.length; i += run) {
            burst.addSegment(at + i, Math.min(run, packet.length - i));
        }
    }

    private static byte[] counting(int length) {
        byte[] packet = new byte[length];
        for (int i = 0; i < length; i++) {
            packet[i] = (byte) i;
        }
        return packet;
    }

    private static byte[] hex(String text) {
        return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    }

    private void receive(Forwarder forwarder, int queue) {
        port.forwardTo(forwarder);
        port.rxQueues().get(queue).deliver(burst);
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 60, 64, 65, 192, 193, 1514})
    void macswapExchangesTheAddressesAndKeepsTheRest(int length) {
        for (int run : new int[] {1514, 64, 7, 1}) {
            add(counting(length), run);
        }
        receive(new Macswap(port), 1);
        byte[] expected = counting(length);
        for (int i = 0; i < 6; i++) {
            expected[i] = (byte) (6 + i);
            expected[6 + i] = (byte) i;
        }
        assertEquals(4, port.sinks.get(1).packets.size());
        port.sinks.get(1).packets.forEach(packet -> assertArrayEquals(expected, packet));
        assertEquals(0, port.sinks.get(0).packets.size());
        assertEquals(0, Memory.getByte(memory.address()), "the sender's own bytes stay");
    }

    @Test
    void macswapDropsWhatIsNoFrame() {
        add(counting(13), 13);
        add(counting(60), 60);
        add(counting(1), 1);
        receive(new Macswap(port), 0);
        assertEquals(1, port.sinks.get(0).packets.size());
        assertEquals(2, port.rxQueues().get(0).counters().dropped(Drop.BAD_HEADER));
    }

    @Test
    void ioConnectsTwoPortsBothWays() {
        TestPort other = new TestPort("p1", 1, null);
        Io io = new Io(port, other);
        add(counting(60), 7);
        receive(io, 1);
        assertArrayEquals(counting(60), other.sinks.get(0).packets.getFirst());
        other.forwardTo(io);
        other.rxQueues().get(0).deliver(burst);
        assertArrayEquals(counting(60), port.sinks.get(0).packets.getFirst());
        assertEquals(1, other.sinks.get(0).packets.size());
    }

    @Test
    void ioOfOnePortSendsBack() {
        add(counting(60), 60);
        receive(new Io(port, port), 1);
        assertArrayEquals(counting(60), port.sinks.get(1).packets.getFirst());
    }

    @Test
    void rxOnlyCounts() {
        add(counting(60), 60);
        receive(new RxOnly(), 0);
        assertEquals(1, port.rxQueues().get(0).counters().packets());
        assertEquals(0, port.rxQueues().get(0).counters().dropped());
        assertEquals(0, port.sinks.get(0).packets.size());
    }

    @Test
    void aPortThatCannotSendIsRefused() {
        TestPort deaf = new TestPort("p1", 0, null);
        for (Runnable made : new Runnable[] {
            () -> new Io(port, deaf), () -> new Macswap(deaf), () -> new IcmpEcho(deaf), () -> TxOnly.start(deaf, 64)
        }) {
            String why = assertThrows(IllegalArgumentException.class, made::run).getMessage();
            assertEquals("port p1 has no transmit queue", why);
        }
    }

    // IcmpEcho

    private static final String GUEST = "525400123456";
    private static final String EVERYBODY = "020000000200";
    private static final String ARP = "0001 0800 06 04 ";

    @ParameterizedTest
    @ValueSource(strings = {"", "8100 0fff"})
    void arpRequestsAreAnswered(String tag) {
        add(hex("ffffffffffff" + GUEST + tag + "0806" + ARP + "0001" + GUEST + "0a000001 000000000000 0a000007"), 9);
        receive(new IcmpEcho(port), 1);
        byte[] expected = hex(GUEST + EVERYBODY + tag + "0806" + ARP + "0002" + EVERYBODY + "0a000007" + GUEST
                + "0a000001");
        assertArrayEquals(expected, port.sinks.get(1).packets.getFirst());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        // A reply, a probe (sender 0.0.0.0), an announcement (sender is target), another hardware type, a group sender.
        "ffffffffffff 525400123456 0806 00010800 0604 0002 525400123456 0a000001 000000000000 0a000007",
        "ffffffffffff 525400123456 0806 00010800 0604 0001 525400123456 00000000 000000000000 0a000007",
        "ffffffffffff 525400123456 0806 00010800 0604 0001 525400123456 0a000001 000000000000 0a000001",
        "ffffffffffff 525400123456 0806 00060800 0604 0001 525400123456 0a000001 000000000000 0a000007",
        "ffffffffffff 535400123456 0806 00010800 0604 0001 525400123456 0a000001 000000000000 0a000007",
        // Cut off: one byte, and behind a tag that makes it too short.
        "ffffffffffff 525400123456 0806 00010800 0604 0001 525400123456 0a000001 000000000000 0a0000",
        "ffffffffffff 525400123456 8100 0001 0806 00010800 0604 0001 525400123456 0a000001 00000000 0a00",
        // Another protocol; IPv4 with a header that is too short, too long, of another version.
        "ffffffffffff 525400123456 86dd 00010800 0604 0001 525400123456 0a000001 000000000000 0a000007",
        "020000000200 525400123456 0800 44000020 0001 0000 40 01 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 4f000020 0001 0000 40 01 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 65000020 0001 0000 40 01 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        // A fragment, the last fragment, UDP, an echo reply, a group's address as target and as source.
        "020000000200 525400123456 0800 45000020 0001 2000 40 01 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 45000020 0001 0001 40 01 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 45000020 0001 0000 40 11 0000 0a000001 0a000007 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 45000020 0001 0000 40 01 0000 0a000001 0a000007 0000 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 45000020 0001 0000 40 01 0000 0a000001 e0000001 0800 f7fe 0000 0001 0000",
        "020000000200 525400123456 0800 45000020 0001 0000 40 01 0000 ffffffff 0a000007 0800 f7fe 0000 0001 0000",
        ""
    })
    void nothingElseIsAnswered(String packet) {
        byte[] bytes = packet.isEmpty() ? new byte[1] : hex(packet);
        add(bytes, 1514);
        receive(new IcmpEcho(port), 0);
        assertEquals(0, port.sinks.get(0).packets.size());
        assertEquals(1, port.rxQueues().get(0).counters().dropped(Drop.NO_DESTINATION));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 56, 57, 1472})
    void echoRequestsAreAnswered(int payload) {
        // Options come on top of what a packet may have.
        port.setMtu(Port.DEFAULT_MTU + 40);
        for (int options = 0; options <= 40; options += 4) {
            for (String tag : new String[] {"", "8100 0005"}) {
                burst.clear();
                byte[] request = echo("0200000002aa" + GUEST + tag, "0a000001", "0a000007", 8, payload, options);
                add(request, 33);
                port.sinks.get(0).packets.clear();
                receive(new IcmpEcho(port), 0);
                assertArrayEquals(
                        echo(GUEST + EVERYBODY + tag, "0a000007", "0a000001", 0, payload, options),
                        port.sinks.get(0).packets.getFirst());
            }
        }
    }

    /** An ICMP echo packet with valid checksums. */
    private byte[] echo(String ethernet, String source, String target, int type, int payload, int options) {
        byte[] front = hex(ethernet + "0800");
        byte[] packet = Arrays.copyOf(front, front.length + 20 + options + 8 + payload);
        int ip = front.length;
        packet[ip] = (byte) (0x45 + options / 4);
        packet[ip + 2] = (byte) ((packet.length - ip) >>> 8);
        packet[ip + 3] = (byte) (packet.length - ip);
        packet[ip + 8] = 64;
        packet[ip + 9] = 1;
        System.arraycopy(hex(source + target), 0, packet, ip + 12, 8);
        Arrays.fill(packet, ip + 20, ip + 20 + options, (byte) 1);
        int icmp = ip + 20 + options;
        packet[icmp] = (byte) type;
        for (int i = 0; i < 4 + payload; i++) {
            packet[icmp + 4 + i] = (byte) (i * 7 + 1);
        }
        checksum(packet, ip, 20 + options, ip + 10);
        checksum(packet, icmp, 8 + payload, icmp + 2);
        return packet;
    }

    private void checksum(byte[] packet, int from, int length, int place) {
        long copy = memory.address() + (1 << 19);
        Memory.copyFromArray(packet, from, copy, length);
        int sum = UdpPacket.checksum(copy, length, 0);
        packet[place] = (byte) (sum >>> 8);
        packet[place + 1] = (byte) sum;
    }

    // TxOnly

    @ParameterizedTest
    @ValueSource(ints = {60, 64, 65, 1514})
    void txOnlySendsValidUdpOnEveryQueue(int size) throws InterruptedException {
        try (Reactor reactor = Reactor.start("generator", -1, IdlePolicy.ADAPTIVE)) {
            TestPort sent = new TestPort("p1", 2, reactor);
            try (TxOnly _ = TxOnly.start(sent, size)) {
                await(() -> sent.sinks.stream().allMatch(sink -> sink.counters().packets() >= Burst.CAPACITY));
            }
            for (TestPort.Sink sink : sent.sinks) {
                byte[] packet = sink.packets.getFirst();
                assertEquals(size, packet.length);
                Memory.copyFromArray(packet, 0, memory.address(), size);
                assertEquals(0, UdpPacket.checksum(memory.address() + 14, 20, 0), "IPv4 header");
                Memory.fill(memory.address() + 22, 1, (byte) 0);
                Memory.putShort(memory.address() + 24, Short.reverseBytes((short) (size - 34)));
                assertEquals(0, UdpPacket.checksum(memory.address() + 22, size - 22, 0), "pseudo header, UDP and data");
                assertEquals(1024 + sink.index(), (packet[34] & 0xff) << 8 | (packet[35] & 0xff), "source port");
            }
        }
    }

    @Test
    void txOnlySleepsWhileTheLinkIsDown() throws InterruptedException {
        try (Reactor reactor = Reactor.start("generator", -1, IdlePolicy.ADAPTIVE)) {
            TestPort sent = new TestPort("p1", 1, reactor);
            sent.sinks.getFirst().keep = false;
            sent.setLink(false);
            try (TxOnly _ = TxOnly.start(sent, 64)) {
                await(() -> reactor.counters().sleeps() > 0);
                assertEquals(0, sent.sinks.getFirst().counters().packets());
                sent.setLink(true);
                await(() -> sent.sinks.getFirst().counters().packets() > 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {59, 1515})
    void txOnlyRefusesOtherSizes(int size) {
        String why = assertThrows(IllegalArgumentException.class, () -> TxOnly.start(port, size)).getMessage();
        assertEquals("packets of port p0 (MTU 1500) have 60 to 1514 bytes, not " + size, why);
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "not within 20 seconds");
            Thread.sleep(1);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io", "macswap", "rxonly", "icmpecho"})
    void nothingIsAllocated(String mode) {
        Forwarder forwarder =
                switch (mode) {
                    case "io" -> new Io(port, port);
                    case "macswap" -> new Macswap(port);
                    case "rxonly" -> new RxOnly();
                    default -> new IcmpEcho(port);
                };
        port.sinks.forEach(sink -> sink.keep = false);
        byte[] ping = echo("020000000200" + GUEST, "0a000001", "0a000007", 8, 56, 0);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long deadline = System.nanoTime() + 20_000_000_000L;
        long allocated;
        // Code that is not compiled yet allocates, so this waits for a measurement of zero.
        do {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int n = 0; n < 1000; n++) {
                burst.clear();
                for (int i = 0; i < 32; i++) {
                    long at = memory.address() + i * 2048L;
                    Memory.copyFromArray(ping, 0, at, ping.length);
                    burst.add(at, ping.length);
                }
                receive(forwarder, n & 1);
            }
            allocated = threads.getCurrentThreadAllocatedBytes() - before;
        } while (allocated != 0 && System.nanoTime() < deadline);
        assertEquals(0, allocated, "bytes for 32000 packets");
    }
}
