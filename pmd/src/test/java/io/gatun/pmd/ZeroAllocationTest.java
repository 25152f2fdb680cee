package io.gatun.pmd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.LinuxException;
import io.gatun.pmd.loop.RxOnly;
import io.gatun.pmd.loop.TxOnly;
import io.gatun.pmd.pcap.PcapOptions;
import io.gatun.pmd.pcap.PcapPort;
import io.gatun.pmd.tap.TapOptions;
import io.gatun.pmd.tap.TapPort;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** No port allocates for a packet: measured on the reactor that all of them share, while packets flow. */
@Timeout(60)
class ZeroAllocationTest {
    private static final NullOptions SOURCE = new NullOptions(1, 64, 0);
    private static final NullOptions SLOW_SOURCE = new NullOptions(1, 64, 50_000);
    private static final long PATIENCE_NANOS = 30_000_000_000L;
    private static final long WINDOW_NANOS = 50_000_000;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private Reactor reactor;
    private List<Reactor> here;

    @TempDir
    Path folder;

    @BeforeEach
    void start() {
        assumeTrue(threads.isThreadAllocatedMemorySupported());
        threads.setThreadAllocatedMemoryEnabled(true);
        reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
        here = List.of(reactor);
    }

    @AfterEach
    void stop() {
        reactor.close();
    }

    /** Waits for a while in which packets flowed and nothing was allocated: code that is not compiled yet allocates. */
    private void assertNothingIsAllocated(int leastPackets, LongSupplier packets) {
        AtomicLong id = new AtomicLong();
        reactor.submit(() -> id.set(Thread.currentThread().threadId())).join();
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        long allocated;
        long flowed;
        do {
            long before = threads.getThreadAllocatedBytes(id.get());
            long countBefore = packets.getAsLong();
            LockSupport.parkNanos(WINDOW_NANOS);
            flowed = packets.getAsLong() - countBefore;
            allocated = threads.getThreadAllocatedBytes(id.get()) - before;
        } while ((allocated != 0 || flowed < leastPackets) && System.nanoTime() < deadline);
        assertEquals(0, allocated, "bytes for " + flowed + " packets; at least " + leastPackets + " were expected");
    }

    private static LongSupplier sent(Port port) {
        return () -> port.txQueues().getFirst().counters().packets();
    }

    private static LongSupplier received(Port port) {
        return () -> port.rxQueues().getFirst().counters().packets();
    }

    private static Forwarder to(Port port) {
        return (from, burst) -> port.txFor(0).send(burst);
    }

    @Test
    void nullPortsAllocateNothing() {
        try (NullPort sink = new NullPort("sink", NullOptions.SINK, here);
                NullPort source = new NullPort("source", SOURCE, here)) {
            source.forwardTo(to(sink));
            assertNothingIsAllocated(10_000, sent(sink));
        }
    }

    @Test
    void ringPortsAllocateNothing() {
        try (RingPort.Pair pair = RingPort.pair("a", here, "b", here, RingOptions.DEFAULT);
                NullPort sink = new NullPort("sink", NullOptions.SINK, here);
                NullPort source = new NullPort("source", SOURCE, here)) {
            pair.second().forwardTo(to(sink));
            source.forwardTo(to(pair.first()));
            assertNothingIsAllocated(10_000, sent(sink));
        }
    }

    @Test
    void aPacketGeneratorAllocatesNothing() {
        try (NullPort sink = new NullPort("sink", NullOptions.SINK, here);
                TxOnly loop = TxOnly.start(sink, 64)) {
            sink.forwardTo(loop);
            assertNothingIsAllocated(10_000, sent(sink));
        }
    }

    @Test
    void writingAndReplayingAFileAllocatesNothing() {
        Path file = folder.resolve("w.pcap");
        try (PcapPort writer = PcapPort.open("w", PcapOptions.writing(file), reactor);
                NullPort source = new NullPort("source", SLOW_SOURCE, here)) {
            source.forwardTo(to(writer));
            assertNothingIsAllocated(1_000, sent(writer));
        }
        try (PcapPort reader = PcapPort.open("r", PcapOptions.replaying(file).withRounds(0), reactor);
                NullPort sink = new NullPort("sink", NullOptions.SINK, here)) {
            reader.forwardTo(to(sink));
            assertNothingIsAllocated(10_000, sent(sink));
        }
    }

    @Test
    void aTapAllocatesNothing() throws IOException {
        try (TapPort tap = tap();
                NullPort source = new NullPort("source", SLOW_SOURCE, here)) {
            source.forwardTo(to(tap));
            assertNothingIsAllocated(1_000, sent(tap));
            source.forwardTo(null);
            assumeTrue(Files.exists(Path.of("/proc/net/if_inet6")), "no IPv6: no packet without an address");
            tap.forwardTo(new RxOnly());
            AtomicBoolean stopped = new AtomicBoolean();
            Thread host = Thread.ofPlatform().daemon().start(() -> sendFromTheHost(tap.interfaceName(), stopped));
            try {
                assertNothingIsAllocated(100, received(tap));
            } finally {
                stopped.set(true);
                join(host);
            }
        }
    }

    private TapPort tap() {
        try {
            return TapPort.open("t", TapOptions.of("gatun-z%d"), here);
        } catch (LinuxException e) {
            assumeTrue(false, e.getMessage());
            throw e;
        }
    }

    /** The host's kernel sends to all nodes of the link, once the interface's own address may be used. */
    private static void sendFromTheHost(String interfaceName, AtomicBoolean stopped) {
        byte[] all = {(byte) 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        while (!stopped.get()) {
            try (DatagramSocket socket = new DatagramSocket()) {
                NetworkInterface link = NetworkInterface.getByName(interfaceName);
                InetAddress everybody = Inet6Address.getByAddress(null, all, link);
                DatagramPacket packet = new DatagramPacket(new byte[100], 100, everybody, 9);
                while (!stopped.get()) {
                    for (int i = 0; i < 16; i++) {
                        socket.send(packet);
                    }
                    LockSupport.parkNanos(1_000_000);
                }
            } catch (IOException notYet) {
                LockSupport.parkNanos(20_000_000);
            }
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
