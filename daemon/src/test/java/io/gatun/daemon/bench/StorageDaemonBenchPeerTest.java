package io.gatun.daemon.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.daemon.bench.BlkBenchOptions.Mode;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The client against QEMU's storage daemon, which has split rings only. */
@Tag("peer")
@Timeout(60)
class StorageDaemonBenchPeerTest {
    private static final Path DAEMON = Path.of("/usr/bin/qemu-storage-daemon");

    @TempDir
    Path directory;

    private Process daemon;
    private Path socket;

    @BeforeEach
    void startDaemon() throws Exception {
        if (Boolean.getBoolean("gatun.peers.required")) {
            assertTrue(Files.isExecutable(DAEMON), DAEMON + " is required and missing");
        }
        assumeTrue(Files.isExecutable(DAEMON), DAEMON + " is not installed");
        socket = directory.resolve("blk.sock");
        Path disk = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(16 << 20);
        }
        daemon = new ProcessBuilder(
                        DAEMON.toString(),
                        "--blockdev",
                        "file,node-name=d0,filename=" + disk,
                        "--export",
                        "vhost-user-blk,id=e0,node-name=d0,writable=on,num-queues=2,addr.type=unix,addr.path="
                                + socket)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("daemon.log").toFile())
                .start();
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!Files.exists(socket)) {
            assertTrue(daemon.isAlive() && System.nanoTime() < deadline, "the storage daemon did not start");
            Thread.sleep(10);
        }
    }

    @AfterEach
    void stopDaemon() throws Exception {
        if (daemon != null) {
            daemon.destroyForcibly();
            assertTrue(daemon.waitFor(10, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void verifiesEveryMode(Mode mode) {
        BlkBenchResult result = run(options().mode(mode).queues(2).queueDepth(8).verify(true).spanBytes(8 << 20));
        assertEquals(0, result.mismatches(), () -> result.firstMismatches().toString());
        assertTrue(result.verifiedBlocks() >= 2 * 32 && result.operations() > 0, result.toString());
    }

    @Test
    void withoutEventIdxAsWell() {
        BlkBenchResult result = run(options().mode(Mode.RANDRW).eventIdx(false).verify(true).spanBytes(4 << 20));
        assertEquals(0, result.mismatches(), () -> result.firstMismatches().toString());
    }

    @Test
    void aStrangersWriteIsFound() throws Exception {
        BlkBench bench = new BlkBench(options()
                .mode(Mode.RANDREAD)
                .verify(true)
                .spanBytes(1 << 20)
                .time(Duration.ofSeconds(3))
                .build());
        BlkBenchResult result = bench.run((second, operations, iops, gigabytes) -> {
            if (second == 2) {
                spoil(40_000);
            }
        });
        assertTrue(result.mismatches() > 0);
        assertTrue(result.firstMismatches().getFirst().startsWith("queue 0, byte 40000: expected 0x"),
                result.firstMismatches().getFirst());
    }

    @Test
    void packedRingsAreRefusedInWords() {
        BlkBenchException e = assertThrows(BlkBenchException.class, () -> run(options().packed(true)));
        assertEquals(socket + " offers no packed rings; leave out --packed", e.getMessage());
    }

    @Test
    void aKilledServerIsNoticed() {
        BlkBench bench = new BlkBench(options()
                .time(Duration.ofSeconds(30))
                .build());
        BlkBenchException e = assertThrows(
                BlkBenchException.class,
                () -> bench.run((second, operations, iops, gigabytes) -> daemon.destroyForcibly()));
        assertEquals(socket + ": the server closed the connection", e.getMessage());
    }

    private void spoil(long offset) {
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("disk.img").toFile(), "rw")) {
            file.seek(offset);
            file.writeLong(0);
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    private BlkBenchOptions.Builder options() {
        return BlkBenchOptions.of(socket)
                .hugepages(Hugepages.NEVER)
                .time(Duration.ofMillis(300))
                .ramp(Duration.ofMillis(50));
    }

    private static BlkBenchResult run(BlkBenchOptions.Builder options) {
        return new BlkBench(options.build()).run((second, operations, iops, gigabytes) -> {});
    }
}
