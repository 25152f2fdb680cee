package io.gatun.daemon.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.daemon.bench.NetBenchOptions.Mode;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The packet generator against our own vhost port. */
@Timeout(60)
class NetBenchTest {
    @TempDir
    Path directory;

    @ParameterizedTest(name = "packed={0} inOrder={1} mergeable={2} queues={3} size={4} listen={5}")
    @CsvSource({
        "false, false, true, 1, 64, false",
        "false, true, false, 2, 1518, true",
        "true, false, false, 2, 64, true",
        "true, true, true, 1, 9018, false"
    })
    void everyPacketComesBackAsItWas(
            boolean packed, boolean inOrder, boolean mergeable, int queues, int size, boolean listen) {
        try (Served _ = new Served(queues, !listen, new Echo())) {
            NetBenchResult result = run(options()
                    .withListen(listen)
                    .withMode(Mode.ECHO, size, true)
                    .withRings(queues, packed, inOrder, mergeable)
                    .withWindow(64));
            assertEquals(List.of(), result.firstFaults());
            assertEquals(0, result.lost(), result.toString());
            assertTrue(result.received() > 0 && result.verified() == result.received(), result.toString());
            assertEquals(result.sent(), result.received());
            assertTrue(result.latency().p50() > 0 && result.latency().p50() <= result.latency().p999());
        }
    }

    @Test
    void sendsAndReceivesOneWay() {
        try (Served _ = new Served(1, true, new Echo())) {
            NetBenchResult result = run(options().withMode(Mode.TX, 64, false));
            assertTrue(result.sentPerSecond() > 1000, result.toString());
            assertTrue(run(options().withMode(Mode.RX, 64, false)).received() == 0, "nobody sends");
        }
    }

    /** A server that is not scheduled for a while loses nothing. */
    @Test
    void waitsForWhatIsLateAsLongAsItIsTold() {
        try (Served _ = new Served(1, true, new Late())) {
            NetBenchResult result = run(options().withMode(Mode.ECHO, 64, true).withPatience(Duration.ofSeconds(20)));
            assertEquals(0, result.lost(), result.toString());
            assertTrue(result.sent() > 0 && result.sent() == result.received(), result.toString());
        }
    }

    @Test
    void findsLossDisorderAndDamage() {
        try (Served served = new Served(1, true, new Spoiler())) {
            NetBenchResult result = run(options().withMode(Mode.ECHO, 100, true).withWindow(32));
            assertTrue(result.lost() > 0, result.toString());
            assertTrue(result.faults() > 0, result.toString());
            String faults = result.firstFaults().toString();
            assertTrue(faults.contains("is wrong"), faults);
            assertTrue(faults.contains("it came after packet"), faults);
            assertTrue(served.port.linkUp() || result.received() > 0);
        }
    }

    @Test
    void leavesNothingOpen() {
        try (Served _ = new Served(1, true, new Echo())) {
            run(options());
            int fds = Fd.openCount();
            int mappings = Mapping.openCount();
            run(options());
            // The server lets go of a front-end in its own time.
            for (int i = 0; i < 500 && (Fd.openCount() > fds || Mapping.openCount() > mappings); i++) {
                LockSupport.parkNanos(10_000_000);
            }
            assertTrue(Fd.openCount() <= fds, Fd.openCount() + " descriptors instead of " + fds);
            assertTrue(Mapping.openCount() <= mappings);
        }
    }

    @Test
    void saysWhatIsWrong() {
        assertSays("connect to /nowhere", NetBenchOptions.of(Path.of("/nowhere")));
        assertSays("no back-end connected to ", options().withListen(true).withTimes(
                Duration.ofSeconds(1), Duration.ZERO, Duration.ofMillis(50)));
        try (Served _ = new Served(1, true, new Echo())) {
            assertSays(
                    directory.resolve("net.sock") + " offers no more than one queue pair",
                    options().withRings(2, false, false, true));
        }
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> options().withMode(Mode.TX, 20, false));
        assertEquals("size 20: accepted is 64 to 9018 bytes", e.getMessage());
        e = assertThrows(IllegalArgumentException.class, () -> Mode.of("flood"));
        assertEquals("'flood' is none of tx, rx, echo", e.getMessage());
    }

    @Test
    void aServerThatVanishesIsNoticed() {
        Served served = new Served(1, true, new Echo());
        NetBench bench = new NetBench(options().withTimes(
                Duration.ofSeconds(30), Duration.ZERO, Duration.ofSeconds(5)));
        NetBenchException e = assertThrows(
                NetBenchException.class, () -> bench.run((second, sent, received, lost) -> served.close()));
        assertTrue(e.getMessage().contains("closed the connection"), e.getMessage());
    }

    @Test
    void nothingIsAllocatedPerPacket() {
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Served _ = new Served(1, true, new Echo())) {
            // Bytes and packets so far, second by second.
            List<Long> allocated = new ArrayList<>();
            List<Long> done = new ArrayList<>();
            NetBench bench = new NetBench(options()
                    .withMode(Mode.ECHO, 64, true)
                    .withTimes(Duration.ofSeconds(15), Duration.ofMillis(20), Duration.ofSeconds(5)));
            bench.run((second, sent, received, lost) -> {
                allocated.add(threads.getThreadAllocatedBytes(benchThread()));
                done.add(received);
                // The first seconds belong to the interpreter, whose method handles allocate.
                if (isFree(allocated, done)) {
                    bench.stop();
                }
            });
            assertTrue(isFree(allocated, done), "it allocates: " + allocated + " for packets: " + done);
        }
    }

    /**
     * Whether the last second's packets allocated nothing: the smallest object is 16 bytes. Not exactly nothing
     * overall, since a kick, of which there are few, allocates in the JDK's linker as long as it is interpreted.
     */
    private static boolean isFree(List<Long> allocated, List<Long> done) {
        int last = allocated.size() - 1;
        return last > 0 && (allocated.get(last) - allocated.get(last - 1)) * 10 <= done.get(last);
    }

    private static long benchThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(t -> t.getName().equals("net-bench-0"))
                .findFirst()
                .orElseThrow()
                .threadId();
    }

    private NetBenchOptions options() {
        return NetBenchOptions.of(directory.resolve("net.sock"))
                .withTimes(Duration.ofMillis(200), Duration.ofMillis(20), Duration.ofSeconds(10))
                .withPlaces(List.of(), Hugepages.NEVER);
    }

    private static NetBenchResult run(NetBenchOptions options) {
        return new NetBench(options).run((second, sent, received, lost) -> {});
    }

    private static void assertSays(String start, NetBenchOptions options) {
        NetBenchException e = assertThrows(NetBenchException.class, () -> run(options));
        assertTrue(e.getMessage().startsWith(start), e.getMessage());
    }

    private static final class Echo implements Forwarder {
        @Override
        public void forward(RxQueue from, Burst burst) {
            from.port().txQueues().get(from.index()).send(burst);
        }
    }

    /** Sends everything back, but does nothing for longer than the measurement first. */
    private static final class Late implements Forwarder {
        private boolean awake;

        @Override
        public void forward(RxQueue from, Burst burst) {
            if (!awake) {
                LockSupport.parkNanos(1_500_000_000);
                awake = true;
            }
            from.port().txQueues().get(from.index()).send(burst);
        }
    }

    /** Loses, damages or repeats some packets. */
    private static final class Spoiler implements Forwarder {
        private int turn;

        @Override
        public void forward(RxQueue from, Burst burst) {
            int[] one = new int[1];
            for (int i = 0; i < burst.count; i++) {
                one[0] = i;
                turn++;
                if (turn % 101 == 0) {
                    continue;
                }
                if (turn % 103 == 0) {
                    long head = burst.editHead(i, 100);
                    io.gatun.linux.Memory.putByte(
                            head + 80, (byte) (io.gatun.linux.Memory.getByte(head + 80) ^ 1));
                }
                from.port().txQueues().getFirst().send(burst, one, 1);
                if (turn % 107 == 0) {
                    from.port().txQueues().getFirst().send(burst, one, 1);
                }
            }
        }
    }

    /** A vhost port behind the socket. */
    private final class Served implements AutoCloseable {
        final VhostPort port;
        private final ControlLoop loop = ControlLoop.start();
        private final Reactor reactor = Reactor.start("served", -1, Reactor.IdlePolicy.ADAPTIVE);
        private boolean closed;

        Served(int queues, boolean listens, Forwarder forwarder) {
            Path socket = directory.resolve("net.sock");
            VhostPortOptions options = VhostPortOptions.DEFAULTS.withQueues(queues);
            port = listens
                    ? VhostPort.listen("p0", loop, socket, options, List.of(reactor))
                    : VhostPort.connect("p0", loop, socket, options, List.of(reactor));
            port.setMtu(9000);
            port.forwardTo(forwarder);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                port.close();
                reactor.close();
                loop.close();
            }
        }
    }
}
