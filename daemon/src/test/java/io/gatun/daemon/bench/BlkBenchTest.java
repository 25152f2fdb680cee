package io.gatun.daemon.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.VhostUserBackend;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The client against Gatun's own disks, and by itself. */
@Timeout(60)
class BlkBenchTest {
    private static final Duration SHORT = Duration.ofMillis(150);

    @TempDir
    Path directory;

    @ParameterizedTest
    @EnumSource(Mode.class)
    void verifiesEveryModeOnSplitAndPackedRings(Mode mode) {
        try (Served served = new Served(2)) {
            for (boolean packed : new boolean[] {false, true}) {
                BlkBenchResult result = run(options(served.socket)
                        .mode(mode)
                        .packed(packed)
                        .queues(2)
                        .queueDepth(8)
                        .spanBytes(4 << 20)
                        .verify(true));
                assertEquals(0, result.mismatches(), () -> result.firstMismatches().toString());
                assertTrue(result.operations() > 0);
                assertTrue(result.verifiedBlocks() > 0, "nothing was verified");
                assertEquals(2, result.queues().size());
                assertTrue(result.latency().p50() <= result.latency().p99());
                assertTrue(result.latency().max() > 0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"512,1", "4096,170", "65536,341", "1048576,4"})
    void takesAnyBlockSizeAndDepth(int blockSize, int depth) {
        try (Served served = new Served(1)) {
            for (boolean packed : new boolean[] {false, true}) {
                BlkBenchResult result = run(options(served.socket)
                        .mode(Mode.RANDRW)
                        .packed(packed)
                        .blockSizeBytes(blockSize)
                        .queueDepth(depth)
                        .time(Duration.ofMillis(500)));
                assertTrue(result.operations() > 0);
            }
        }
    }

    @Test
    void findsWhatTheDiskLost() {
        try (Mapping memory = Mapping.anonymous(4096)) {
            BlockStamps stamps = new BlockStamps(1 << 20, 4, 1024, 7);
            assertNull(stamps.check(memory.address(), 0), "what was never written may be anything");
            stamps.fill(memory.address(), 1);
            assertNull(stamps.check(memory.address(), 1));
            Memory.putByte(memory.address() + 700, (byte) (Memory.getByte(memory.address() + 700) ^ 1));
            String torn = stamps.check(memory.address(), 1);
            assertTrue(torn.startsWith("byte 1050296: expected 0x"), torn);
            stamps.fill(memory.address() + 1024, 1);
            stamps.fill(memory.address(), 2);
            String misplaced = stamps.check(memory.address(), 1);
            assertEquals(
                    "byte 1049600: expected its own stamp of generation 2, saw byte 1050624 of generation 1",
                    misplaced);
            Memory.fill(memory.address(), 1024, (byte) 0);
            String lost = stamps.check(memory.address(), 2);
            assertTrue(lost.endsWith("which is no stamp of this run"), lost);
        }
    }

    @Test
    void itsOwnCeilingNeedsNoServer() {
        for (Device device : new Device[] {Device.MEMCPY, Device.NOTHING}) {
            BlkBenchResult result = run(BlkBenchOptions.of(device)
                    .hugepages(Hugepages.NEVER)
                    .spanBytes(1 << 20)
                    .time(SHORT)
                    .ramp(SHORT));
            assertTrue(result.iops() > 1000, device + " " + result.iops());
        }
        BlkBenchResult verified = run(BlkBenchOptions.of(Device.MEMCPY)
                .hugepages(Hugepages.NEVER)
                .mode(Mode.RANDRW)
                .verify(true)
                .spanBytes(1 << 20)
                .time(SHORT)
                .ramp(Duration.ZERO));
        assertEquals(0, verified.mismatches());
        assertTrue(verified.verifiedBlocks() > 0);
    }

    @Test
    void reportsEverySecondAndStopsWhenAsked() {
        List<Long> seconds = new ArrayList<>();
        BlkBench bench = new BlkBench(BlkBenchOptions.of(Device.NOTHING)
                .hugepages(Hugepages.NEVER)
                .time(Duration.ofSeconds(30))
                .ramp(Duration.ZERO)
                .build());
        BlkBenchResult result = bench.run((second, operations, iops, gigabytes) -> {
            seconds.add(operations);
            if (second == 2) {
                bench.stop();
            }
        });
        assertEquals(2, seconds.size());
        assertTrue(seconds.get(1) > seconds.get(0));
        assertTrue(result.seconds() > 1 && result.seconds() < 10, "measured for " + result.seconds() + " s");
        assertEquals("randread", result.toMap().get("rw"));
    }

    @Test
    void saysWhatIsWrong() {
        try (Served served = new Served(1)) {
            assertSays("queues 2: the disk has only 1", options(served.socket).queues(2));
            assertSays("span 1073741824: the disk has only", options(served.socket).spanBytes(1 << 30));
            assertSays(
                    "block size 4194304: the disk takes at most 1048576 bytes",
                    options(served.socket).blockSizeBytes(4 << 20));
            assertSays("connect to /nowhere", options(Path.of("/nowhere")));
        }
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> options(Path.of("x")).blockSizeBytes(1000).build());
        assertEquals("block size 1000: accepted is a multiple of 512 up to 4 MiB", e.getMessage());
    }

    @Test
    void aServerThatVanishesIsNoticed() {
        Served served = new Served(1);
        BlkBench bench = new BlkBench(options(served.socket)
                .time(Duration.ofSeconds(30))
                .timeout(Duration.ofMillis(500))
                .build());
        BlkBenchException e = assertThrows(
                BlkBenchException.class,
                () -> bench.run((second, operations, iops, gigabytes) -> served.close()));
        assertTrue(
                e.getMessage().contains("closed the connection")
                        || e.getMessage().contains("nothing completed for 500 ms with"),
                e.getMessage());
    }

    @Test
    void leavesNothingOpen() {
        runServed();
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        runServed();
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void nothingIsAllocatedPerRequest() {
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Served served = new Served(1)) {
            for (Mode mode : new Mode[] {Mode.RANDREAD, Mode.RANDRW}) {
                // Bytes and requests so far, second by second.
                List<Long> allocated = new ArrayList<>();
                List<Long> done = new ArrayList<>();
                BlkBench bench = new BlkBench(options(served.socket)
                        .mode(mode)
                        .verify(mode == Mode.RANDRW)
                        .spanBytes(4 << 20)
                        .time(Duration.ofSeconds(15))
                        .build());
                bench.run((second, operations, iops, gigabytes) -> {
                    allocated.add(threads.getThreadAllocatedBytes(benchThread()));
                    done.add(operations);
                    // The first seconds belong to the interpreter, whose method handles allocate.
                    if (isFree(allocated, done)) {
                        bench.stop();
                    }
                });
                assertTrue(isFree(allocated, done), mode + " allocates: " + allocated + " for requests: " + done);
            }
        }
    }

    /**
     * Whether the last second's requests allocated nothing: the smallest object is 16 bytes. Not exactly nothing
     * overall, since a kick, of which there are few, allocates in the JDK's linker as long as it is interpreted.
     */
    private static boolean isFree(List<Long> allocated, List<Long> done) {
        int last = allocated.size() - 1;
        return last > 0
                && (allocated.get(last) - allocated.get(last - 1)) * 100 <= done.get(last) - done.get(last - 1);
    }

    private static long benchThread() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(t -> t.getName().equals("bench-0"))
                .findFirst()
                .orElseThrow()
                .threadId();
    }

    private void runServed() {
        run(BlkBenchOptions.of(Device.MEMCPY)
                .hugepages(Hugepages.NEVER)
                .spanBytes(1 << 20)
                .time(SHORT)
                .ramp(Duration.ZERO));
        try (Served served = new Served(1)) {
            run(options(served.socket));
        }
    }

    private static BlkBenchOptions.Builder options(Path socket) {
        return BlkBenchOptions.of(socket)
                .hugepages(Hugepages.NEVER)
                .time(SHORT)
                .ramp(Duration.ofMillis(20));
    }

    private static BlkBenchResult run(BlkBenchOptions.Builder options) {
        return new BlkBench(options.build()).run((second, operations, iops, gigabytes) -> {});
    }

    private static void assertSays(String start, BlkBenchOptions.Builder options) {
        BlkBenchException e = assertThrows(BlkBenchException.class, () -> run(options));
        assertTrue(e.getMessage().startsWith(start), e.getMessage());
    }

    /** A RAM disk of 8 MiB behind a socket. */
    private final class Served implements AutoCloseable {
        final Path socket = directory.resolve("disk.sock");
        private final ControlLoop loop = ControlLoop.start();
        private final Reactor reactor = Reactor.start("served", -1, Reactor.IdlePolicy.ADAPTIVE);
        private final MallocBdev bdev = MallocBdev.create(MallocOptions.of("m0", 8 << 20, 512));
        private final VhostUserBackend backend;
        private boolean closed;

        Served(int queues) {
            VirtioBlkDevice device = new VirtioBlkDevice(bdev, VirtioBlkOptions.DEFAULTS.withQueues(queues));
            backend = VhostUserBackend.listen(loop, socket, device, List.of(reactor), BackendOptions.DEFAULT);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                backend.close();
                reactor.close();
                loop.close();
                bdev.close();
            }
        }
    }
}
