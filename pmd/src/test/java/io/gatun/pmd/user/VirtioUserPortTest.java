package io.gatun.pmd.user;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.pmd.net.VirtioNet;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.VhostUserBackend;
import io.gatun.vring.VirtioFeatures;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Our driver's end against our device's end, and against devices that lie. */
@Timeout(60)
class VirtioUserPortTest {
    private static final long PATIENCE_NANOS = 20_000_000_000L;
    private static final VirtioUserOptions OPTIONS = VirtioUserOptions.DEFAULTS.withHugepages(false);
    private static final String MAC = "52:54:00:12:34:56";
    private static final Forwarder ECHO = new Echo();

    @TempDir
    Path folder;

    private ControlLoop loop;
    private List<Reactor> reactors;

    @BeforeEach
    void start() {
        loop = ControlLoop.start();
        reactors = List.of(
                Reactor.start("first", -1, Reactor.IdlePolicy.ADAPTIVE),
                Reactor.start("second", -1, Reactor.IdlePolicy.ADAPTIVE));
    }

    @AfterEach
    void stop() {
        reactors.forEach(Reactor::close);
        loop.close();
    }

    @ParameterizedTest(name = "packed={0} inOrder={1} mergeable={2} listens={3} queues={4}")
    @CsvSource({
        "false, false, true, false, 1",
        "false, true, true, true, 2",
        "false, false, false, true, 1",
        "false, true, false, false, 2",
        "true, false, true, false, 2",
        "true, true, true, true, 1",
        "true, false, false, true, 2",
        "true, true, false, false, 1"
    })
    void everyPacketComesBackAsItWas(
            boolean packed, boolean inOrder, boolean mergeable, boolean listens, int queues) {
        VirtioUserOptions options = OPTIONS.withPacked(packed)
                .withInOrder(inOrder)
                .withMergeable(mergeable)
                .withQueues(queues)
                .withMtu(9000);
        Checker checker = new Checker();
        try (VirtioUserPort port = port(listens, options);
                VhostPort server = server(!listens, queues)) {
            server.setMtu(9000);
            server.forwardTo(ECHO);
            port.forwardTo(checker);
            await(port::linkUp, port::reason);
            await(server::linkUp, () -> "the server's link");
            assertEquals(packed, VirtioFeatures.has(port.features(), VirtioFeatures.RING_PACKED));
            assertEquals(inOrder, VirtioFeatures.has(port.features(), VirtioFeatures.IN_ORDER));
            assertEquals(mergeable, VirtioFeatures.has(port.features(), VirtioNet.F_MRG_RXBUF));
            int[] sizes = {14, 60, 64, 1514, 2036, 2037, 4082, 9018};
            long expected = 0;
            for (int round = 0; round < 200; round++) {
                int queue = round % queues;
                send(port, queue, sizes[round % sizes.length], 16);
                expected += 16;
                long all = expected;
                await(() -> checker.received == all, () -> checker + " of " + all + ", " + checker.fault);
            }
            assertNull(checker.fault);
        }
    }

    @ParameterizedTest(name = "listens={0}")
    @CsvSource({"false", "true"})
    void aBackEndThatDiedIsMetAgainAndNothingLeaks(boolean listens) {
        Checker checker = new Checker();
        try (VirtioUserPort port = port(listens, OPTIONS)) {
            port.forwardTo(checker);
            int descriptors = 0;
            int mappings = 0;
            for (int life = 1; life <= 6; life++) {
                try (VhostPort server = server(!listens, 1)) {
                    server.forwardTo(ECHO);
                    await(port::linkUp, port::reason);
                    await(server::linkUp, () -> "the server's link");
                    long before = checker.received;
                    send(port, 0, 64, 8);
                    await(() -> checker.received == before + 8, checker::toString);
                }
                await(() -> !port.linkUp(), () -> "the link stays up");
                assertFalse(port.reason().isEmpty());
                long dropped = port.txQueues().getFirst().counters().dropped(Drop.LINK_DOWN);
                send(port, 0, 64, 1);
                assertEquals(dropped + 1, port.txQueues().getFirst().counters().dropped(Drop.LINK_DOWN));
                if (life == 2) {
                    descriptors = Fd.openCount();
                    mappings = Mapping.openCount();
                }
            }
            int atFirst = descriptors;
            int mapped = mappings;
            // A connecting port may be in the middle of an attempt, and may have been when these were counted.
            await(() -> Fd.openCount() <= atFirst, () -> Fd.openCount() + " descriptors instead of " + atFirst);
            await(() -> Mapping.openCount() <= mapped, () -> Mapping.openCount() + " mappings instead of " + mapped);
        }
    }

    @ParameterizedTest
    @EnumSource(LyingDevice.Lie.class)
    void aBackEndThatLiesIsLeftWithAReasonAndMetAgain(LyingDevice.Lie lie) {
        Path socket = folder.resolve("net.sock");
        LyingDevice device = new LyingDevice(lie);
        Checker checker = new Checker();
        try (VhostUserBackend backend =
                        VhostUserBackend.listen(loop, socket, device, reactors, BackendOptions.DEFAULT);
                VirtioUserPort port = VirtioUserPort.connect("u0", socket, OPTIONS, reactors)) {
            assertEquals(socket, backend.socket());
            port.forwardTo(checker);
            await(() -> port.reason().contains(lie.reason), port::reason);
            assertEquals(0, checker.received);
            int starts = device.starts.get();
            await(() -> device.starts.get() > starts, () -> "it does not come back");
        }
    }

    /** Half of a queue pair is there, the other half is refused: again and again, as long as the port is. */
    @Test
    void aBackEndThatRefusesAQueueCostsNothing() {
        Path socket = folder.resolve("net.sock");
        int descriptors = 0;
        int mappings = 0;
        for (int life = 1; life <= 2; life++) {
            LyingDevice device = new LyingDevice(LyingDevice.Lie.SHORT_BUFFER) {
                @Override
                public int queueCount() {
                    return 1;
                }
            };
            VhostUserBackend backend =
                    VhostUserBackend.listen(loop, socket, device, reactors, BackendOptions.DEFAULT);
            try (backend;
                    VirtioUserPort port = VirtioUserPort.connect("u0", socket, OPTIONS, reactors)) {
                await(() -> device.starts.get() > 2, port::reason);
                assertTrue(port.reason().startsWith("SET_VRING_NUM"), port.reason());
            }
            if (life == 1) {
                descriptors = Fd.openCount();
                mappings = Mapping.openCount();
            }
        }
        assertEquals(descriptors, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void anIdlePortSleepsAndWakesForAPacket() {
        Checker checker = new Checker();
        try (VirtioUserPort port = port(false, OPTIONS);
                VhostPort server = server(true, 1)) {
            server.forwardTo(ECHO);
            port.forwardTo(checker);
            await(port::linkUp, port::reason);
            await(server::linkUp, () -> "the server's link");
            long all = 0;
            for (long target = sleeps() + 5; sleeps() < target; ) {
                long slept = sleeps();
                send(port, 0, 64, 1);
                long expected = ++all;
                await(() -> checker.received == expected, checker::toString);
                await(() -> sleeps() > slept, () -> "nobody sleeps");
            }
        }
    }

    private long sleeps() {
        return reactors.stream().mapToLong(r -> r.counters().sleeps()).sum();
    }

    @Test
    void aPortWithoutBackEndSaysSoAndCloses() {
        try (VirtioUserPort port = port(false, OPTIONS)) {
            await(() -> port.reason().contains("net.sock"), port::reason);
            assertFalse(port.linkUp());
        }
    }

    @Test
    void theBackEndsAddressAndItsLimitOfTheMtuAreHeard() {
        VhostPortOptions told = VhostPortOptions.DEFAULTS.withMac(MAC).withMtu(1280);
        try (VirtioUserPort port = port(false, OPTIONS.withMtu(9000));
                VhostPort server = VhostPort.listen("p0", loop, folder.resolve("net.sock"), told, reactors)) {
            await(port::linkUp, port::reason);
            assertEquals(MAC, port.macAddress());
            assertEquals(1280, port.mtu());
            assertEquals(1280, server.mtu());
        }
    }

    @Test
    void theBackEndHearsTheMtuAndTheNextOneTheAddressToo() {
        try (VirtioUserPort port = port(false, OPTIONS.withMtu(9000).withMac(MAC))) {
            for (int life = 1; life <= 3; life++) {
                VhostPort server = server(true, 1);
                try (server) {
                    await(port::linkUp, port::reason);
                    assertEquals(9000, server.mtu());
                    await(server::linkUp, () -> "the server's link");
                    send(port, 0, 64, 1);
                    long expected = life == 1 ? 1 : 2;
                    await(() -> received(server) == expected, () -> received(server) + " packets");
                }
                // Reverse ARP requests, of which the first back-end got none.
                assertEquals(life == 1 ? 1 : 2, received(server));
                assertEquals(MAC, port.macAddress());
                await(() -> !port.linkUp(), () -> "the link stays up");
            }
        }
    }

    @Test
    void whatWasTakenBeforeTheSendersMemoryVanishedIsSent() {
        try (VirtioUserPort port = port(false, OPTIONS);
                VhostPort server = server(true, 1);
                MemoryFile file = MemoryFile.create("sender", 8192);
                Mapping sender = file.map()) {
            await(port::linkUp, port::reason);
            file.setLength(4096);
            UserTxQueue tx = port.txQueues().getFirst();
            tx.owner()
                    .submit(() -> {
                        try (Burst burst = new Burst()) {
                            burst.add(sender.address(), 64);
                            burst.add(sender.address() + 4096, 64);
                            assertThrows(InternalError.class, () -> {
                                tx.send(burst);
                                Memory.settle();
                            });
                        }
                    })
                    .join();
            await(() -> received(server) == 1, () -> received(server) + " packets");
            assertEquals(1, tx.counters().packets());
        }
    }

    private static long received(VhostPort server) {
        return server.rxQueues().getFirst().counters().packets();
    }

    @Test
    void aForwarderThatFailsTakesTheLinkDownUntilTheNextTry() {
        AtomicInteger ups = new AtomicInteger();
        AtomicInteger downs = new AtomicInteger();
        try (VirtioUserPort port = port(false, OPTIONS)) {
            port.forwardTo(new Forwarder() {
                @Override
                public void forward(RxQueue from, Burst burst) {}

                @Override
                public void linkChanged(Port changed, boolean up) {
                    if (!up) {
                        downs.incrementAndGet();
                        assertFalse(changed.linkUp());
                    } else if (ups.getAndIncrement() == 0) {
                        throw new IllegalStateException("as a bug would");
                    }
                }
            });
            try (VhostPort _ = server(true, 1)) {
                await(() -> ups.get() == 2 && port.linkUp(), port::reason);
                assertEquals(1, downs.get());
            }
        }
    }

    private VirtioUserPort port(boolean listens, VirtioUserOptions options) {
        Path socket = folder.resolve("net.sock");
        return listens
                ? VirtioUserPort.listen("u0", socket, options, reactors)
                : VirtioUserPort.connect("u0", socket, options, reactors);
    }

    private VhostPort server(boolean listens, int queues) {
        Path socket = folder.resolve("net.sock");
        VhostPortOptions options = VhostPortOptions.DEFAULTS.withQueues(queues);
        return listens
                ? VhostPort.listen("p0", loop, socket, options, reactors)
                : VhostPort.connect("p0", loop, socket, options, reactors);
    }

    private static void await(BooleanSupplier done, Supplier<String> state) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!done.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "waited in vain: " + state.get());
            LockSupport.parkNanos(200_000);
        }
    }

    /** Sends packets whose bytes all follow from their length. */
    private static void send(VirtioUserPort port, int queue, int length, int count) {
        UserTxQueue tx = port.txQueues().get(queue);
        tx.owner()
                .submit(() -> {
                    try (Burst burst = new Burst();
                            Mapping packet = Mapping.anonymous(length)) {
                        for (int i = 0; i < length; i++) {
                            Memory.putByte(packet.address() + i, pattern(length, i));
                        }
                        for (int i = 0; i < count; i++) {
                            burst.add(packet.address(), length);
                        }
                        tx.send(burst);
                    }
                })
                .join();
    }

    private static byte pattern(int length, int at) {
        return (byte) (at * 31 + length);
    }

    private static final class Echo implements Forwarder {
        @Override
        public void forward(RxQueue from, Burst burst) {
            from.port().txQueues().get(from.index()).send(burst);
        }
    }

    /** Receives on any of the reactors. */
    private static final class Checker implements Forwarder {
        volatile long received;
        volatile String fault;

        @Override
        public synchronized void forward(RxQueue from, Burst burst) {
            for (int packet = 0; packet < burst.count; packet++) {
                int length = burst.lengths[packet];
                try (Mapping whole = Mapping.anonymous(length)) {
                    burst.copyOut(packet, 0, whole.address(), length);
                    for (int i = 0; i < length; i++) {
                        if (Memory.getByte(whole.address() + i) != pattern(length, i)) {
                            fault = "byte " + i + " of " + length;
                        }
                    }
                }
            }
            received += burst.count;
        }

        @Override
        public String toString() {
            return received + " received";
        }
    }
}
