package io.gatun.pmd.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.MemoryPort;
import io.gatun.pmd.TestFrames;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Learning and forwarding: IEEE 802.1D §7.7 to §7.9. */
class BridgeTest {
    private static final long BROADCAST = 0xffff_ffff_ffffL;

    private final Bridge bridge = new Bridge("br0", new BridgeOptions(64, 300));
    private final List<MemoryPort> ports = new ArrayList<>();

    @AfterEach
    void close() {
        bridge.close();
        ports.forEach(MemoryPort::close);
    }

    @Test
    void anUnknownAddressIsFloodedButNeverBack() {
        connect(3);
        byte[] frame = frame(2, 1);
        ports.get(0).receive(0, frame);
        assertTaken(0);
        assertTaken(1, frame);
        assertTaken(2, frame);
        assertEquals(1, bridge.flooded());
    }

    @Test
    void aKnownAddressGetsItsPacketsAlone() {
        connect(3);
        ports.get(1).receive(0, frame(9, 2));
        drain();
        byte[] frame = frame(2, 1);
        ports.get(0).receive(0, frame, frame, frame);
        assertTaken(1, frame, frame, frame);
        assertTaken(2);
        assertEquals(2, bridge.macCount());
    }

    @Test
    void aBurstIsSortedAndEachPortKeepsTheOrder() {
        connect(4);
        for (int i = 1; i < 4; i++) {
            ports.get(i).receive(0, frame(99, i));
        }
        drain();
        Random random = new Random(5);
        Map<Integer, List<byte[]>> expected = new HashMap<>();
        byte[][] frames = new byte[Burst.CAPACITY][];
        for (int i = 0; i < frames.length; i++) {
            int to = 1 + random.nextInt(4);
            frames[i] = TestFrames.ethernet(
                    to == 4 ? BROADCAST : TestFrames.mac(to), TestFrames.mac(50), 0x88b5, new byte[] {(byte) i});
            for (int port = 1; port < 4; port++) {
                if (to == 4 || to == port) {
                    expected.computeIfAbsent(port, p -> new ArrayList<>()).add(frames[i]);
                }
            }
        }
        ports.get(0).receive(0, frames);
        for (int port = 1; port < 4; port++) {
            assertTaken(port, expected.get(port).toArray(byte[][]::new));
        }
    }

    @Test
    void aPacketForItsOwnPortIsDropped() {
        connect(2);
        ports.get(0).receive(0, frame(9, 1), frame(9, 2));
        drain();
        ports.get(0).receive(0, frame(1, 2));
        assertTaken(0);
        assertTaken(1);
        assertEquals(1, drops(0, Drop.NO_DESTINATION));
    }

    @Test
    void aStationMoves() {
        connect(3);
        ports.get(1).receive(0, frame(9, 2));
        ports.get(2).receive(0, frame(9, 2));
        drain();
        ports.get(0).receive(0, frame(2, 1));
        assertTaken(1);
        assertEquals(1, ports.get(2).taken().size());
        assertEquals(1, bridge.macMoves());
        assertEquals(2, bridge.macCount());
    }

    @Test
    void addressesThatSwitchesKeepAreNotForwarded() {
        connect(2);
        for (int last = 0; last < 16; last++) {
            ports.get(0).receive(0, TestFrames.ethernet(0x0180_c200_0000L | last, TestFrames.mac(1)));
        }
        assertTaken(1);
        assertEquals(16, drops(0, Drop.REFUSED));
        ports.get(0).receive(0, TestFrames.ethernet(0x0180_c200_0010L, TestFrames.mac(1)));
        assertEquals(1, ports.get(1).taken().size());
    }

    @Test
    void runtsAndImpossibleSourcesAreDropped() {
        connect(2);
        for (int length = 1; length < 14; length++) {
            ports.get(0).receive(0, new byte[length]);
        }
        ports.get(0).receive(0, TestFrames.ethernet(TestFrames.mac(1), BROADCAST));
        ports.get(0).receive(0, TestFrames.ethernet(TestFrames.mac(1), 0));
        ports.get(0).receive(0, TestFrames.ethernet(0, TestFrames.mac(1)));
        assertTaken(1);
        assertEquals(16, drops(0, Drop.BAD_HEADER));
        ports.get(0).receive(0, new byte[3], frame(2, 1), new byte[3]);
        assertEquals(1, ports.get(1).taken().size());
    }

    @Test
    void headersInPiecesAreRead() {
        connect(3);
        ports.get(1).receive(0, frame(9, 2));
        drain();
        byte[] frame = frame(2, 1);
        for (int first = 1; first < 20; first++) {
            ports.get(0).burst();
            ports.get(0).with(frame, first, 1, 2).deliver(0);
            assertTaken(1, frame);
            assertTaken(2);
        }
    }

    @Test
    void addressesAge() {
        connect(2);
        bridge.age(10);
        ports.get(1).receive(0, frame(9, 2));
        bridge.age(200);
        ports.get(0).receive(0, frame(9, 1));
        bridge.age(310);
        assertEquals(2, bridge.macCount());
        bridge.age(311);
        assertEquals(1, bridge.macCount());
        ports.get(0).receive(0, frame(9, 1));
        bridge.age(520);
        assertEquals(209, bridge.macs().getFirst().ageSeconds());
        assertEquals("02:00:00:00:00:01", bridge.macs().getFirst().macText());
    }

    @Test
    void aPortThatGoesDownIsForgotten() {
        connect(2);
        ports.get(0).receive(0, frame(9, 1));
        ports.get(1).receive(0, frame(9, 2));
        ports.get(1).link(true);
        assertEquals(2, bridge.macCount());
        ports.get(1).link(false);
        assertEquals(1, bridge.macCount());
    }

    @Test
    void aFloodOfSourcesEvictsNobody() {
        connect(3);
        ports.get(1).receive(0, frame(999_999, 1));
        for (int i = 0; i < 100_000; i++) {
            ports.get(0).receive(0, frame(999_999, 1000 + i));
            if (i % 100 == 0) {
                drain();
            }
        }
        drain();
        assertTrue(bridge.macCount() <= 64 + MacTable.RESERVED_PER_PORT, "learned " + bridge.macCount());
        assertTrue(bridge.macRefusals() >= 100_000 - 80);
        byte[] frame = frame(1, 5);
        ports.get(2).receive(0, frame);
        assertTaken(0);
        assertTaken(1, frame);
        // The table is full, and a port without addresses is still learned.
        ports.get(1).receive(0, frame(5, 1));
        assertEquals(1, ports.get(2).taken().size());
        assertTaken(0);
    }

    @Test
    void aPortHasALimitOfItsOwn() {
        add(BridgePortOptions.DEFAULT.withMacLimit(3));
        connect(1);
        for (int i = 1; i < 10; i++) {
            ports.get(0).receive(0, frame(99, i));
        }
        assertEquals(3, bridge.macCount());
        // A move to a port that is at its limit is refused as well.
        ports.get(1).receive(0, frame(99, 50));
        ports.get(0).receive(0, frame(99, 50));
        assertEquals(0, bridge.macMoves());
    }

    @Test
    void aMirrorGetsEverythingAndIsNoDestination() {
        connect(2);
        add(BridgePortOptions.DEFAULT.withMirror());
        byte[] there = frame(2, 1);
        byte[] back = frame(1, 2);
        ports.get(0).receive(0, there);
        ports.get(1).receive(0, back);
        assertTaken(2, there, back);
        assertTaken(0, back);
        ports.get(2).receive(0, there);
        assertEquals(1, drops(2, Drop.REFUSED));
        assertEquals(2, bridge.macCount());
    }

    @Test
    void whatIsAboveTheRateIsDropped() {
        add(BridgePortOptions.DEFAULT.withRate(1000, 0));
        connect(1);
        for (int i = 0; i < 100; i++) {
            ports.get(0).receive(0, frame(9, 1), frame(9, 1));
        }
        int passed = ports.get(1).taken().size();
        assertTrue(passed >= 20 && passed < 150, passed + " passed");
        assertEquals(200 - passed, drops(0, Drop.RATE));
    }

    @Test
    void aQueueKeepsToTheQueueBesideIt() {
        add(BridgePortOptions.DEFAULT, 4);
        add(BridgePortOptions.DEFAULT, 4);
        for (int queue = 0; queue < 4; queue++) {
            ports.get(0).receive(queue, flow(queue), flow(7), flow(9));
            assertEquals(3, ports.get(1).taken(queue).size());
        }
    }

    @Test
    void flowsSpreadOverMoreQueuesAndStayTogether() {
        add(BridgePortOptions.DEFAULT, 1);
        add(BridgePortOptions.DEFAULT, 4);
        Map<Integer, Integer> queueOf = new HashMap<>();
        int[] used = new int[4];
        for (int round = 0; round < 3; round++) {
            for (int flow = 0; flow < 200; flow++) {
                ports.get(0).receive(0, flow(flow));
                for (int queue = 0; queue < 4; queue++) {
                    if (!ports.get(1).taken(queue).isEmpty()) {
                        used[queue]++;
                        assertEquals(queue, queueOf.getOrDefault(flow, queue), "flow " + flow);
                        queueOf.put(flow, queue);
                    }
                }
            }
        }
        for (int queue = 0; queue < 4; queue++) {
            assertTrue(used[queue] > 75, "queue " + queue + " got " + used[queue]);
        }
    }

    /** As a transmit queue throws where a guest takes its memory away while it is copied (TwoGuestsTest). */
    @ParameterizedTest(name = "{0} queues, tagged: {1}")
    @CsvSource({"1, false", "4, false", "1, true", "4, true"})
    void aBurstThatEndedInTheMiddleLeavesNothingBehind(int queues, boolean tagged) {
        connect(1);
        add(BridgePortOptions.DEFAULT, queues);
        connect(1);
        if (tagged) {
            add(BridgePortOptions.DEFAULT.withTrunk(0, 5));
        }
        byte[] frame = flow(1);
        ports.get(1).beforeTransmit(() -> {
            throw new InternalError("memory vanished");
        });
        assertThrows(InternalError.class, () -> ports.get(0).receive(0, frame, frame, frame));
        ports.get(1).beforeTransmit(() -> {});
        drain();
        ports.get(0).receive(0, frame);
        assertEquals(1, ports.get(1).taken().size());
        assertEquals(1, ports.get(2).taken().size());
    }

    @Test
    void aRemovedPortIsNoDestinationAndItsNumberIsFree() {
        connect(3);
        ports.get(1).receive(0, frame(9, 2));
        drain();
        bridge.removePort(ports.get(1)).join();
        assertEquals(0, bridge.macCount());
        ports.get(1).receive(0, frame(9, 2));
        assertEquals(1, drops(1, Drop.NO_DESTINATION));
        byte[] frame = frame(2, 1);
        ports.get(0).receive(0, frame);
        assertTaken(1);
        assertTaken(2, frame);
        bridge.addPort(ports.get(1), BridgePortOptions.DEFAULT);
        ports.get(0).receive(0, frame);
        assertTaken(1, frame);
        assertThrows(
                IllegalArgumentException.class, () -> bridge.addPort(ports.get(1), BridgePortOptions.DEFAULT));
    }

    private static byte[] frame(int to, int from) {
        return TestFrames.ethernet(TestFrames.mac(to), TestFrames.mac(from));
    }

    private static byte[] flow(int number) {
        byte[] packet = TestFrames.ipv4(17, 0, TestFrames.udp(1000 + number, 53, new byte[8]));
        return TestFrames.ethernet(TestFrames.mac(2), TestFrames.mac(1), 0x0800, packet);
    }

    private void connect(int count) {
        for (int i = 0; i < count; i++) {
            add(BridgePortOptions.DEFAULT);
        }
    }

    private void add(BridgePortOptions options) {
        add(options, 1);
    }

    private void add(BridgePortOptions options, int queues) {
        MemoryPort port = new MemoryPort("p" + ports.size(), queues);
        ports.add(port);
        bridge.addPort(port, options);
    }

    private void drain() {
        ports.forEach(MemoryPort::taken);
    }

    private long drops(int port, Drop cause) {
        return ports.get(port).rxQueues().getFirst().counters().dropped(cause);
    }

    private void assertTaken(int port, byte[]... frames) {
        List<byte[]> taken = ports.get(port).taken();
        assertEquals(frames.length, taken.size(), "packets at port " + port);
        for (int i = 0; i < frames.length; i++) {
            assertArrayEquals(frames[i], taken.get(i), "packet " + i);
        }
    }
}
