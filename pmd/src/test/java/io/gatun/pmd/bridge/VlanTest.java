package io.gatun.pmd.bridge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.MemoryPort;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.TestFrames;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Access ports and trunks: IEEE 802.1Q §8.6. */
class VlanTest {
    private static final BridgePortOptions DEFAULT = BridgePortOptions.DEFAULT;

    private final Bridge bridge = new Bridge("br0", BridgeOptions.DEFAULT);
    private final List<MemoryPort> ports = new ArrayList<>();
    private final byte[] frame = TestFrames.ethernet(TestFrames.mac(2), TestFrames.mac(1));

    @AfterEach
    void close() {
        bridge.close();
        ports.forEach(MemoryPort::close);
    }

    @Test
    void accessPortsOfDifferentVlansAreApart() {
        connect(DEFAULT.withAccess(10), DEFAULT.withAccess(10), DEFAULT.withAccess(20));
        ports.get(0).receive(0, frame);
        assertTaken(1, frame);
        assertTaken(2);
    }

    @Test
    void anAddressIsKnownInOneVlanOnly() {
        connect(DEFAULT.withAccess(10), DEFAULT.withAccess(10), DEFAULT.withAccess(20), DEFAULT.withAccess(20));
        byte[] back = TestFrames.ethernet(TestFrames.mac(1), TestFrames.mac(2));
        ports.get(1).receive(0, back);
        ports.get(2).receive(0, back);
        ports.forEach(MemoryPort::taken);
        ports.get(3).receive(0, frame);
        assertTaken(2, frame);
        assertTaken(1);
        assertEquals(2, bridge.macs().stream().filter(m -> m.mac() == TestFrames.mac(2)).count());
    }

    @Test
    void aTrunkTagsAndAnAccessPortDoesNot() {
        connect(DEFAULT.withAccess(10), DEFAULT.withTrunk(0, 10, 20), DEFAULT.withTrunk(0, 20), DEFAULT.withAccess(20));
        ports.get(0).receive(0, frame);
        assertTaken(1, TestFrames.tagged(frame, 10));
        assertTaken(2);
        ports.get(1).receive(0, TestFrames.tagged(frame, 20));
        assertTaken(0);
        assertTaken(2, TestFrames.tagged(frame, 20));
        assertTaken(3, frame);
    }

    @Test
    void aFloodHasTheFormThatEachPortWants() {
        connect(
                DEFAULT.withAccess(10),
                DEFAULT.withTrunk(0, 10),
                DEFAULT.withAccess(10),
                DEFAULT.withTrunk(10, 10, 20),
                DEFAULT);
        ports.get(0).receive(0, frame, frame);
        byte[] tagged = TestFrames.tagged(frame, 10);
        assertTaken(1, tagged, tagged);
        assertTaken(2, frame, frame);
        assertTaken(3, frame, frame);
        assertTaken(4, tagged, tagged);
        ports.get(1).receive(0, tagged);
        assertTaken(0, frame);
        assertTaken(4, tagged);
    }

    @Test
    void theNativeVlanHasNoTag() {
        connect(DEFAULT.withTrunk(5, 10), DEFAULT.withAccess(5), DEFAULT.withTrunk(0, 10));
        ports.get(0).receive(0, frame);
        assertTaken(1, frame);
        assertTaken(2);
        ports.get(0).receive(0, TestFrames.tagged(frame, 5));
        assertTaken(1, frame);
    }

    @Test
    void whatAPortDoesNotCarryIsRefused() {
        connect(DEFAULT.withAccess(10), DEFAULT.withTrunk(0, 10), DEFAULT);
        ports.get(0).receive(0, TestFrames.tagged(frame, 10), TestFrames.tagged(frame, 20));
        ports.get(1).receive(0, frame, TestFrames.tagged(frame, 20), TestFrames.tagged(frame, 0xfff));
        assertEquals(2, drops(0));
        assertEquals(3, drops(1));
        assertTaken(2);
        ports.get(0).receive(0, java.util.Arrays.copyOf(TestFrames.tagged(frame, 0), 16));
        assertEquals(1, ports.getFirst().rxQueues().getFirst().counters().dropped(Drop.BAD_HEADER));
    }

    @Test
    void aTagThatOnlyGivesAPriorityKeepsIt() {
        connect(DEFAULT.withAccess(10), DEFAULT.withTrunk(0, 10), DEFAULT.withAccess(10));
        ports.get(0).receive(0, TestFrames.tagged(frame, 0xa000));
        assertTaken(1, TestFrames.tagged(frame, 0xa00a));
        assertTaken(2, frame);
    }

    @Test
    void withoutVlanOptionsTagsAreNobodysBusiness() {
        connect(DEFAULT, DEFAULT);
        ports.get(0).receive(0, TestFrames.tagged(frame, 77), TestFrames.tagged(frame, 0xfff), frame);
        assertTaken(1, TestFrames.tagged(frame, 77), TestFrames.tagged(frame, 0xfff), frame);
    }

    @Test
    void aTagMovesTheChecksumAlong() {
        connect(DEFAULT.withAccess(10), DEFAULT.withTrunk(0, 10));
        byte[] packet = TestFrames.ethernet(
                TestFrames.mac(2),
                TestFrames.mac(1),
                0x0800,
                TestFrames.ipv4(6, 0, TestFrames.tcp(1, 2, 16, 0, new byte[3000])));
        Burst burst = ports.get(0).burst();
        ports.get(0).with(TestFrames.seeded(packet, 14, 34, 6), 7, 50);
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 1448, 34);
        burst.checksumOffsets[0] = 16;
        ports.get(0).deliver(0);
        List<byte[]> taken = ports.get(1).taken();
        assertEquals(3, taken.size());
        for (byte[] segment : taken) {
            assertEquals(10, TestFrames.number(segment, 14));
            assertEquals(true, TestFrames.checksumIsRight(segment, 18, 38, 6));
        }
    }

    @Test
    void aTagThatComesAfterTheLookIsNotSent() {
        // The trunk's untagged packets are VLAN 5; a tag of VLAN 20 put in later would reach another one.
        connect(DEFAULT.withAccess(5), DEFAULT.withTrunk(5, 20));
        MemoryPort sender = ports.getFirst();
        Burst burst = sender.burst();
        sender.with(frame);
        long guestMemory = burst.addresses[0];
        ports.get(1).offloads(Offloads.NONE).beforeTransmit(() -> Memory.putInt(guestMemory + 12, 0x1400_0081));
        sender.deliver(0);
        assertEquals(0x88b5, TestFrames.number(ports.get(1).taken().getFirst(), 12));
    }

    @Test
    void optionsThatContradictThemselvesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> DEFAULT.withAccess(4095));
        assertThrows(IllegalArgumentException.class, () -> DEFAULT.withTrunk(0, 0));
        assertThrows(IllegalArgumentException.class, () -> DEFAULT.withTrunk(-1));
        assertThrows(IllegalArgumentException.class, () -> DEFAULT.withRate(-1, 0));
    }

    private void connect(BridgePortOptions... options) {
        for (BridgePortOptions each : options) {
            MemoryPort port = new MemoryPort("p" + ports.size(), 1);
            ports.add(port);
            bridge.addPort(port, each);
        }
    }

    private long drops(int port) {
        return ports.get(port).rxQueues().getFirst().counters().dropped(Drop.REFUSED);
    }

    private void assertTaken(int port, byte[]... frames) {
        List<byte[]> taken = ports.get(port).taken();
        assertEquals(frames.length, taken.size(), "packets at port " + port);
        for (int i = 0; i < frames.length; i++) {
            assertArrayEquals(frames[i], taken.get(i), "packet " + i + " at port " + port);
        }
    }
}
