package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.nvme.software.SoftwareOptions;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Commands of the NVM command set, against a controller in memory that is strict about the rules. */
class IoQueueTest {
    private static final SoftwareOptions SMALL = SoftwareOptions.DEFAULTS.withQueues(64, 4);

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void transfersOfAnyLengthAndOffsetHoldTheirData(boolean scattered) {
        NvmeOptions options = Drive.QUICK.withQueueDepth(16);
        try (Drive drive = new Drive(SMALL, options, scattered)) {
            for (int blocks : new int[] {1, 7, 8, 9, 15, 16, 17, 64, 255, 256}) {
                for (int offset : new int[] {0, 4, 512, 2048, 4092}) {
                    roundTrip(drive, blocks, offset);
                }
            }
        }
    }

    private static void roundTrip(Drive drive, int blocks, int offset) {
        NvmeNamespace namespace = drive.namespace(1);
        int bytes = blocks * 512;
        long from = drive.buffer.address() + offset;
        long to = drive.buffer.address() + (1 << 20) + offset;
        Drive.pattern(from, bytes, blocks + offset);
        Memory.fill(to, bytes, (byte) 0);
        assertEquals(0, drive.complete(drive.queue.write(namespace, 100, blocks, from)));
        assertTrue(Drive.same(from, drive.media.getFirst().address(100), bytes), "on the medium");
        assertEquals(0, drive.complete(drive.queue.read(namespace, 100, blocks, to)));
        assertTrue(Drive.same(from, to, bytes), blocks + " blocks at " + offset);
    }

    @Test
    void whatCannotBeSentIsRefused() {
        try (Drive drive = new Drive()) {
            NvmeNamespace namespace = drive.namespace(1);
            long address = drive.buffer.address();
            assertEquals(-Errno.EINVAL, drive.queue.read(namespace, 0, 0, address));
            assertEquals(-Errno.EINVAL, drive.queue.read(namespace, 0, 257, address), "more than MDTS");
            assertEquals(-Errno.EFAULT, drive.queue.read(namespace, 0, 1, address + 2), "not a double word");
            assertEquals(-Errno.EFAULT, drive.queue.read(namespace, 0, 1, 4096), "not mapped");
            long end = address + Drive.BUFFER_BYTES;
            assertEquals(-Errno.EFAULT, drive.queue.read(namespace, 0, 16, end - 4096), "half of it is not mapped");
            assertEquals(0, drive.queue.inFlight());
            int beyond = drive.queue.read(namespace, namespace.blockCount(), 1, address);
            assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, NvmeStatus.code(drive.complete(beyond)));
        }
    }

    @Test
    void theOtherCommandsDoWhatTheyShould() {
        try (Drive drive = new Drive()) {
            NvmeNamespace namespace = drive.namespace(2);
            IoQueue queue = drive.queue;
            long address = drive.buffer.address();
            Drive.pattern(address, 16 * 4096, 1);
            assertEquals(0, drive.complete(queue.write(namespace, 0, 16, address)));
            assertEquals(0, drive.complete(queue.flushCache(namespace)));
            assertEquals(0, drive.complete(queue.compare(namespace, 0, 16, address)));
            Memory.putByte(address + 5 * 4096, (byte) ~Memory.getByte(address + 5 * 4096));
            int compared = drive.complete(queue.compare(namespace, 0, 16, address));
            assertEquals(NvmeStatus.COMPARE_FAILURE, NvmeStatus.code(compared));
            assertEquals(0, drive.complete(queue.verify(namespace, 0, 16)));
            assertEquals(0, drive.complete(queue.writeZeroes(namespace, 2, 3, true)));
            assertEquals(0, drive.complete(queue.deallocate(namespace, 8, 2)));
            long medium = drive.media.get(1).address(0);
            for (int block = 0; block < 16; block++) {
                boolean zero = (block >= 2 && block < 5) || block == 8 || block == 9;
                assertEquals(zero, Memory.getLong(medium + block * 4096L + 8) == 0, "block " + block);
            }
            int late = drive.complete(queue.deallocate(namespace, namespace.blockCount(), 1));
            assertEquals(NvmeStatus.LBA_OUT_OF_RANGE, NvmeStatus.code(late));
        }
    }

    @ParameterizedTest
    @CsvSource({"false, 0", "true, 0", "false, 3", "true, 3"})
    void aBurstIsOneDoorbellAndCompletionsAreReportedRarely(boolean shadow, int stride) {
        SoftwareOptions options = SoftwareOptions.DEFAULTS.withShadowDoorbells(shadow).withStride(stride);
        try (Drive drive = new Drive(options, Drive.QUICK, false)) {
            NvmeNamespace namespace = drive.namespace(2);
            long before = drive.model.tailWrites();
            int done = 0;
            for (int n = 0; n < 100; n++) {
                for (int i = 0; i < 32; i++) {
                    long address = drive.buffer.address() + i * 4096L;
                    assertTrue(drive.queue.read(namespace, (n * 32 + i) % 4096, 1, address) >= 0);
                }
                drive.queue.flush();
                drive.awaitCompletion();
                assertEquals(32, drive.burst.count);
                for (int i = 0; i < 32; i++) {
                    drive.queue.release(drive.burst.identifiers[i]);
                    done++;
                }
            }
            assertEquals(3200, done);
            assertEquals(100, drive.model.tailWrites() - before);
            assertEquals(50, drive.model.headWrites(), "once in 64 completions");
        }
    }

    @Test
    void everyIdentifierCanBeInFlightAndNoneTwice() {
        try (Drive drive = new Drive(SMALL, Drive.QUICK.withQueueDepth(16), false)) {
            drive.model.frozen = true;
            boolean[] seen = new boolean[16];
            for (int i = 0; i < 16; i++) {
                int identifier = drive.queue.read(drive.namespace(1), i, 1, drive.buffer.address());
                assertTrue(identifier >= 0 && !seen[identifier]);
                seen[identifier] = true;
            }
            assertEquals(-Errno.EAGAIN, drive.queue.read(drive.namespace(1), 0, 1, drive.buffer.address()));
            drive.queue.flush();
            drive.model.answerHeld(NvmeStatus.UNRECOVERED_READ_ERROR);
            drive.awaitCompletion();
            assertEquals(16, drive.burst.count);
            for (int i = 0; i < 16; i++) {
                assertEquals(NvmeStatus.UNRECOVERED_READ_ERROR, drive.burst.statuses[i]);
                drive.queue.release(drive.burst.identifiers[i]);
            }
        }
    }

    /** Segments as a guest has them: what one command can name goes without a copy. */
    @ParameterizedTest
    @CsvSource({"0, false", "0, true", "1, false", "1, true", "2, true"})
    void segmentsAreNamedAsFarAsTheRulesAllow(int sgl, boolean scattered) {
        NvmeOptions options = Drive.QUICK.withQueueDepth(16);
        try (Drive drive = new Drive(SMALL.withSgl(sgl), options, scattered)) {
            long base = drive.buffer.address();
            // Pages, and pages that start or end within one: one command.
            assertNamed(drive, 12288, new long[] {base, base + 16384, base + 8192}, 4096, 4096, 4096);
            assertNamed(drive, 8192, new long[] {base + 3584, base + 8192, base + 20480}, 512, 4096, 3584);
            // Neighbours are one piece.
            assertNamed(drive, 4096, new long[] {base + 512, base + 1536, base + 2560}, 1024, 1024, 2048);
            assertNamed(drive, 65536, new long[] {base + 512}, 65536);
            // A gap within a page: an SGL, or as far as it goes.
            boolean any = sgl != 0;
            assertNamed(drive, any ? 3072 : 1024, new long[] {base, base + 4096, base + 8192}, 1024, 1024, 1024);
            assertNamed(drive, any ? 3584 : 512, new long[] {base, base + 8192, base + 9216}, 512, 512, 2560);
            // Half blocks: whole blocks only.
            assertNamed(drive, any ? 1024 : 0, new long[] {base, base + 4096, base + 8192}, 256, 256, 512);
            // Not of double words.
            assertNamed(drive, sgl == 1 ? 1024 : 0, new long[] {base + 1, base + 8192}, 512, 512);
            // Not mapped.
            assertNamed(drive, 0, new long[] {4096}, 4096);
            assertNamed(drive, 4096, new long[] {base + 4096, 4096}, 4096, 4096);
        }
    }

    private static void assertNamed(Drive drive, int expected, long[] addresses, int... lengths) {
        int identifier = drive.queue.take();
        int total = java.util.Arrays.stream(lengths).sum();
        int named = drive.queue.point(identifier, addresses, lengths, 0, lengths.length, 0, total, 512);
        assertEquals(expected, named);
        if (named == 0) {
            drive.queue.release(identifier);
            return;
        }
        Drive.pattern(drive.media.getFirst().address(64), named, named);
        drive.queue.send(identifier, false, 1, 64, named / 512);
        assertEquals(0, drive.complete(identifier));
        long medium = drive.media.getFirst().address(64);
        int at = 0;
        for (int i = 0; i < lengths.length && at < named; i++) {
            int piece = Math.min(lengths[i], named - at);
            assertTrue(Drive.same(medium + at, addresses[i], piece), "segment " + i);
            at += piece;
        }
    }

    /** Seeded: random segments, random skips; the controller's strictness is the judge, and the data. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void randomSegments(int sgl) {
        long seed = Long.getLong("gatun.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        try (Drive drive = new Drive(SMALL.withSgl(sgl), Drive.QUICK.withQueueDepth(16), sgl == 0)) {
            for (int n = 0; n < 2000; n++) {
                int count = random.nextInt(1, 9);
                long[] addresses = new long[count];
                int[] lengths = new int[count];
                int total = 0;
                for (int i = 0; i < count; i++) {
                    int unit = random.nextBoolean() ? 4096 : random.nextBoolean() ? 512 : 4;
                    lengths[i] = unit * random.nextInt(1, 4096 / unit * 3 + 1);
                    // Each segment has a range of its own, so that none overwrites another.
                    addresses[i] = drive.buffer.address() + i * 65536L + (long) unit * random.nextInt(0, 4096 / unit);
                    total += lengths[i];
                }
                int skip = random.nextInt(lengths[0]) & ~3;
                int bytes = (total - skip) & -512;
                if (bytes == 0) {
                    continue;
                }
                int identifier = drive.queue.take();
                int named = drive.queue.point(identifier, addresses, lengths, 0, count, skip, bytes, 512);
                if (named == 0) {
                    drive.queue.release(identifier);
                    continue;
                }
                Drive.pattern(drive.media.getFirst().address(0), named, n);
                drive.queue.send(identifier, false, 1, 0, named / 512);
                assertEquals(0, drive.complete(identifier), "seed " + seed);
                int at = 0;
                for (int i = 0; i < count && at < named; i++) {
                    int from = i == 0 ? skip : 0;
                    int piece = Math.min(lengths[i] - from, named - at);
                    long medium = drive.media.getFirst().address(0) + at;
                    assertTrue(Drive.same(medium, addresses[i] + from, piece), "seed " + seed + ", round " + n);
                    at += piece;
                }
            }
        }
    }

    @Test
    void nothingIsAllocatedForACommand() {
        try (Drive drive = new Drive()) {
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long deadline = System.nanoTime() + 20_000_000_000L;
            long allocated;
            do {
                long before = threads.getCurrentThreadAllocatedBytes();
                bursts(drive, 500);
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            } while (allocated != 0 && System.nanoTime() < deadline);
            assertEquals(0, allocated);
            assertNotEquals(0, drive.model.tailWrites());
        }
    }

    private static void bursts(Drive drive, int count) {
        NvmeNamespace namespace = drive.second;
        IoQueue queue = drive.queue;
        for (int n = 0; n < count; n++) {
            for (int i = 0; i < 16; i++) {
                long address = drive.buffer.address() + i * 8192L + 512;
                int identifier = i % 4 == 0
                        ? queue.write(namespace, i, 2, address)
                        : queue.read(namespace, i, 2, address);
                if (identifier < 0) {
                    throw new IllegalStateException("errno " + identifier);
                }
            }
            queue.flush();
            for (int done = 0; done < 16; ) {
                int taken = queue.poll(drive.burst);
                for (int i = 0; i < taken; i++) {
                    queue.release(drive.burst.identifiers[i]);
                }
                done += taken;
            }
        }
    }
}
