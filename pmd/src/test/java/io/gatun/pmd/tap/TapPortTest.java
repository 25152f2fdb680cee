package io.gatun.pmd.tap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.TapDevice;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Port;
import io.gatun.pmd.QueueCounters;
import io.gatun.pmd.RxQueue;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The host's kernel as a peer, where this user may make interfaces: skipped elsewhere. */
@Timeout(60)
class TapPortTest {
    private static final String NAME = "gatun-t%d";
    private static final int ETHER_TYPE = 12;

    private final int fds = Fd.openCount();
    private final int mappings = Mapping.openCount();
    private final Mapping memory = Mapping.anonymous(1 << 20);
    private final Burst burst = new Burst();

    @BeforeEach
    void requireTap() {
        try (TapDevice device = TapDevice.open(NAME, false)) {
            assertTrue(device.setHeaderBytes(NetHeader.BYTES) == 0);
        } catch (LinuxException e) {
            assumeTrue(false, e.getMessage());
        }
    }

    @AfterEach
    void close() {
        burst.close();
        memory.close();
        assertEquals(mappings, Mapping.openCount(), "mappings");
        assertEquals(fds, Fd.openCount(), "descriptors");
    }

    @Test
    void theInterfaceIsUpWithTheMtuAndGoesWithThePort() throws IOException {
        String name;
        try (TapPort port = TapPort.open("t", TapOptions.of(NAME).withMtu(9000), List.of())) {
            name = port.interfaceName();
            assertEquals("9000", read(name, "mtu"));
            assertEquals(9000, port.mtu());
            assertEquals("1", read(name, "carrier"));
            assertEquals(1, Integer.decode(read(name, "flags")) & 1);
        }
        assertFalse(Files.exists(Path.of("/sys/class/net", name)));
    }

    @Test
    void theKernelReceivesWhatIsSentAlsoInPieces() throws IOException {
        try (TapPort port = TapPort.open("t", TapOptions.of(NAME), List.of())) {
            long before = statistic(port, "rx_packets");
            frame(0, 200);
            burst.add(memory.address(), 100);
            burst.addSegment(memory.address() + 100, 50);
            burst.addSegment(memory.address() + 150, 50);
            frame(4096, 60);
            burst.add(memory.address() + 4096, 60);
            port.txFor(3).send(burst);
            QueueCounters counters = port.txQueues().getFirst().counters();
            assertEquals(2, counters.packets());
            assertEquals(260, counters.bytes());
            assertEquals(2, statistic(port, "rx_packets") - before);
        }
    }

    @Test
    void theKernelTakesLargePacketsAndRefusesContradictions() throws IOException {
        try (TapPort port = TapPort.open("t", TapOptions.of(NAME), List.of())) {
            long before = statistic(port, "rx_packets");
            tcp(0, 20_000);
            burst.add(memory.address(), 20_000);
            burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 1448, 34);
            burst.checksumOffsets[0] = 16;
            burst.add(memory.address(), 60);
            burst.offloads[1] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, NetHeader.GSO_TCPV4, 54, 0, 34);
            burst.checksumOffsets[1] = 16;
            port.txFor(0).send(burst);
            QueueCounters counters = port.txQueues().getFirst().counters();
            assertEquals(1, counters.segmented());
            assertEquals(1, counters.dropped(Drop.BAD_HEADER));
            assertTrue(statistic(port, "rx_packets") > before);
        }
    }

    @Test
    void anInterfaceThatIsDownDropsAndIsCounted() {
        try (TapPort port = TapPort.open("t", TapOptions.of(NAME).withQueues(2), List.of());
                TapDevice other = TapDevice.open(port.interfaceName(), true)) {
            assertEquals(0, other.setUp(false));
            frame(0, 60);
            burst.add(memory.address(), 60);
            port.txFor(1).send(burst);
            assertEquals(1, port.txQueues().get(1).counters().dropped(Drop.LINK_DOWN));
        }
    }

    @Test
    void whatTheHostSendsIsReceivedAlsoBySleepersAndInBursts() throws IOException {
        assumeTrue(Files.exists(Path.of("/proc/net/if_inet6")), "no IPv6: the host would send nothing by itself");
        AtomicLong received = new AtomicLong();
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                TapPort port = TapPort.open("t", TapOptions.of(NAME), List.of(reactor))) {
            port.forwardTo((from, packets) -> {
                assertTrue(reactor.inReactorThread());
                assertTrue(packets.lengths[0] >= 14);
                received.addAndGet(packets.count);
            });
            // Neighbour discovery speaks up as soon as the interface is up, at intervals that let the reactor sleep.
            while (received.get() < 2) {
                LockSupport.parkNanos(1_000_000);
            }
            assertTrue(reactor.counters().sleeps() > 0);
        }
    }

    /** Else a port that is closed at the moment when its interface goes would wait for its reactor, and that for it. */
    @Test
    void whoFindsTheInterfaceGoneDoesNotHoldUpTheClose() {
        TapPort port = TapPort.open("t", TapOptions.of(NAME), List.of());
        AtomicBoolean closed = new AtomicBoolean();
        port.forwardTo(new Forwarder() {
            @Override
            public void forward(RxQueue from, Burst packets) {}

            @Override
            public void linkChanged(Port changed, boolean up) {
                assertFalse(up);
                Thread closing = Thread.ofPlatform().start(port::close);
                try {
                    closed.set(closing.join(Duration.ofSeconds(10)));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        });
        port.gone(-Errno.EBADFD);
        assertTrue(closed.get());
        assertFalse(port.linkUp());
    }

    @Test
    void mistakesTeachTheRemedy() {
        IllegalArgumentException longName =
                assertThrows(IllegalArgumentException.class, () -> TapDevice.open("a-name-that-is-too-long", false));
        assertTrue(longName.getMessage().contains("1 to 15"), longName.getMessage());
        LinuxException loopback = assertThrows(LinuxException.class, () -> TapDevice.open("lo", false));
        assertTrue(loopback.getMessage().contains("ip link del lo"), loopback.getMessage());
        try (TapDevice device = TapDevice.open(NAME, false)) {
            LinuxException busy = assertThrows(LinuxException.class, () -> TapDevice.open(device.name(), false));
            assertTrue(busy.getMessage().contains("another process"), busy.getMessage());
            LinuxException kind = assertThrows(LinuxException.class, () -> TapDevice.open(device.name(), true));
            assertTrue(kind.getMessage().contains("multi_queue"), kind.getMessage());
        }
    }

    /** A frame of a protocol for experiments, which the kernel counts and drops. */
    private void frame(int at, int length) {
        long address = memory.address() + at;
        Memory.putLong(address, -1);
        Memory.putByte(address + 6, (byte) 2);
        Memory.putShort(address + ETHER_TYPE, 0xb588);
        Memory.putByte(address + length - 1, (byte) 1);
    }

    private void tcp(int at, int length) {
        frame(at, length);
        long address = memory.address() + at;
        Memory.putShort(address + ETHER_TYPE, 0x0008);
        Memory.putByte(address + 14, (byte) 0x45);
        Memory.putShort(address + 16, Short.reverseBytes((short) (length - 14)));
        Memory.putByte(address + 22, (byte) 64);
        Memory.putByte(address + 23, (byte) 6);
        Memory.putByte(address + 46, (byte) 0x50);
    }

    private static long statistic(TapPort port, String name) throws IOException {
        return Long.parseLong(read(port.interfaceName(), "statistics/" + name));
    }

    private static String read(String interfaceName, String what) throws IOException {
        return Files.readString(Path.of("/sys/class/net", interfaceName, what)).trim();
    }
}
