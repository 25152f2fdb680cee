package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.nvme.HostErrorLog.Count;
import io.gatun.nvme.spec.Opcode;
import java.lang.management.ManagementFactory;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What this process notes of failed commands, whatever the controller's own logs say. */
@Timeout(60)
class HostErrorLogTest {
    private static final int BAD = NvmeStatus.UNRECOVERED_READ_ERROR;

    @Test
    void theLastErrorsAreKeptAndAllAreCounted() {
        HostErrorLog log = new HostErrorLog();
        assertEquals(List.of(), log.entries());
        assertEquals(List.of(), log.counts());
        int count = 3 * HostErrorLog.ENTRIES + 5;
        Instant before = Instant.now().minusMillis(1);
        for (int i = 1; i <= count; i++) {
            log.note(7, i, Opcode.READ, BAD | 1 << 14, 3, 1000L + i, 8);
        }
        List<HostError> entries = log.entries();
        assertEquals(HostErrorLog.ENTRIES, entries.size());
        for (int i = 0; i < entries.size(); i++) {
            HostError entry = entries.get(i);
            int number = count - i;
            assertEquals(
                    new HostError(
                            number, entry.time(), 7, number, Opcode.READ, BAD | 1 << 14, 3, 1000L + number, 8),
                    entry);
            assertFalse(entry.time().isBefore(before));
        }
        assertEquals(count, log.errorCount());
        assertEquals(count, log.mediaErrorCount());
        assertEquals(List.of(new Count(3, BAD, count)), log.counts());
    }

    @Test
    void extremesOfAllFieldsSurvive() {
        HostErrorLog log = new HostErrorLog();
        log.note(0xffff, 0xffff, 0xff, 0x7fff, -1, -1, 0xffff_ffffL);
        HostError entry = log.entries().getFirst();
        assertEquals(
                new HostError(1, entry.time(), 0xffff, 0xffff, 0xff, 0x7fff, -1, -1, 0xffff_ffffL), entry);
        assertEquals("opcode ffh", entry.operation());
        assertEquals(List.of(new Count(-1, 0x7ff, 1)), log.counts());
    }

    @Test
    void itDoesNotGrow() {
        HostErrorLog log = new HostErrorLog();
        int namespaces = 4 * HostErrorLog.KINDS;
        for (int id = 1; id <= namespaces; id++) {
            log.note(1, 0, Opcode.READ, BAD, id, 0, 1);
        }
        assertEquals(HostErrorLog.KINDS, log.counts().size());
        assertEquals(namespaces, log.mediaErrorCount());
        assertEquals(namespaces, log.errorCount());

        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long deadline = System.nanoTime() + 20_000_000_000L;
        long allocated;
        do {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 10_000; i++) {
                log.note(1, i & 0xff, Opcode.WRITE, NvmeStatus.WRITE_FAULT, i, i, 1);
            }
            allocated = threads.getCurrentThreadAllocatedBytes() - before;
        } while (allocated != 0 && System.nanoTime() < deadline);
        assertEquals(0, allocated);
    }

    @Test
    void entriesAreWholeAndCountsExactWhileManyWrite() throws InterruptedException {
        HostErrorLog log = new HostErrorLog();
        int each = 200_000;
        List<Thread> writers = new ArrayList<>();
        for (int writer = 1; writer <= 4; writer++) {
            int queue = writer;
            writers.add(Thread.ofPlatform().start(() -> {
                for (int i = 0; i < each; i++) {
                    int part = i & 0xff;
                    log.note(queue, part, part, BAD + queue, queue << 8 | part, (long) queue << 32 | part, part);
                }
            }));
        }
        int seen = 0;
        while (writers.stream().anyMatch(Thread::isAlive)) {
            for (HostError entry : log.entries()) {
                assertWhole(entry);
                seen++;
            }
        }
        for (Thread writer : writers) {
            writer.join();
        }
        assertTrue(seen > 0);
        assertEquals(4L * each, log.errorCount());
        assertEquals(4L * each, log.counts().stream().mapToLong(Count::commands).sum());
        log.entries().forEach(HostErrorLogTest::assertWhole);
    }

    private static void assertWhole(HostError entry) {
        int queue = entry.queueId();
        int part = entry.commandId();
        assertEquals(
                new HostError(
                        entry.number(),
                        entry.time(),
                        queue,
                        part,
                        part,
                        BAD + queue,
                        queue << 8 | part,
                        (long) queue << 32 | part,
                        part),
                entry);
    }

    @Test
    void whatTheControllerFailsIsNotedWithItsBlocks() {
        try (Drive drive = new Drive()) {
            IoQueue queue = drive.queue;
            NvmeNamespace first = drive.namespace(1);
            long end = first.blockCount();
            long address = drive.buffer.address();
            drive.media.getFirst().spoil(42);
            Drive.pattern(address, 512, 1);
            assertNoted(drive, queue.read(first, 40, 8, address), "read", BAD, 1, 40, 8);
            int compare = queue.compare(first, 43, 1, address);
            assertNoted(drive, compare, "compare", NvmeStatus.COMPARE_FAILURE, 1, 43, 1);
            int outside = NvmeStatus.LBA_OUT_OF_RANGE;
            assertNoted(drive, queue.write(drive.second, end, 3, address), "write", outside, 2, end, 3);
            assertNoted(
                    drive, queue.writeZeroes(first, end, 1 << 16, true), "write zeroes", outside, 1, end, 1 << 16);
            assertNoted(
                    drive, queue.deallocate(first, end - 1, 1L << 31), "deallocate", outside, 1, end - 1, 1L << 31);
            drive.model.failingOpcode = Opcode.FLUSH;
            drive.model.failingStatus = NvmeStatus.INTERNAL_ERROR;
            drive.model.failures.set(1);
            assertNoted(drive, queue.flushCache(first), "flush", NvmeStatus.INTERNAL_ERROR, 1, 0, 0);
            HostErrorLog log = drive.controller.hostErrors();
            assertEquals(1, log.mediaErrorCount(), "a comparison that differs is no media error");
            assertEquals(
                    List.of(
                            new Count(1, NvmeStatus.INTERNAL_ERROR, 1),
                            new Count(1, outside, 2),
                            new Count(1, BAD, 1),
                            new Count(1, NvmeStatus.COMPARE_FAILURE, 1),
                            new Count(2, outside, 1)),
                    log.counts());
        }
    }

    private static void assertNoted(
            Drive drive, int identifier, String operation, int status, int namespace, long lba, long blocks) {
        HostErrorLog log = drive.controller.hostErrors();
        long before = log.errorCount();
        assertEquals(status, NvmeStatus.code(drive.complete(identifier)));
        HostError newest = log.entries().getFirst();
        assertEquals(before + 1, newest.number());
        assertEquals(operation, newest.operation());
        assertEquals(drive.queue.id(), newest.queueId());
        assertEquals(identifier, newest.commandId());
        assertEquals(status, NvmeStatus.code(newest.status()));
        assertEquals(namespace, newest.namespaceId());
        assertEquals(lba, newest.lba());
        assertEquals(blocks, newest.blocks());
    }

    @Test
    void refusedAdminCommandsAreNotedButNotWhatIsOnlyTried() {
        try (Drive drive = new Drive()) {
            HostErrorLog log = drive.controller.hostErrors();
            drive.model.refusesNextAdmin = true;
            try {
                byte[] ignored = drive.controller.identify("identify", Opcode.CNS_CONTROLLER, 0);
            } catch (NvmeException refused) {
                assertEquals(NvmeStatus.INVALID_FIELD, NvmeStatus.code(refused.status()));
            }
            HostError entry = log.entries().getFirst();
            assertEquals("identify", entry.operation());
            assertEquals(0, entry.queueId());
            assertEquals(0, entry.blocks());
            drive.model.refusesNextAdmin = true;
            assertEquals(null, drive.controller.identifyIfKnown("try", Opcode.CNS_CONTROLLER, 0));
            assertEquals(List.of(new Count(0, NvmeStatus.INVALID_FIELD, 1)), log.counts());
        }
    }

    @Test
    void whatWeAbortedIsNoError() {
        try (Drive drive = new Drive()) {
            HostErrorLog log = drive.controller.hostErrors();
            drive.model.aborts = true;
            drive.model.frozen = true;
            int late = drive.queue.read(drive.namespace(1), 5, 1, drive.buffer.address());
            assertEquals(NvmeStatus.ABORT_REQUESTED, NvmeStatus.code(drive.complete(late)));
            assertEquals(0, log.errorCount());
            // But nobody asked for this one.
            int early = drive.queue.read(drive.namespace(1), 6, 1, drive.buffer.address());
            drive.queue.flush();
            drive.model.answerHeld(NvmeStatus.ABORT_REQUESTED);
            assertEquals(NvmeStatus.ABORT_REQUESTED, NvmeStatus.code(drive.complete(early)));
            assertEquals(6, log.entries().getFirst().lba());
        }
    }

    @Test
    void itOutlivesResetsAndQueues() throws Exception {
        try (Drive drive = new Drive()) {
            HostErrorLog log = drive.controller.hostErrors();
            drive.media.getFirst().spoil(42);
            assertEquals(BAD, NvmeStatus.code(drive.complete(drive.queue.read(
                    drive.namespace(1), 42, 1, drive.buffer.address()))));
            drive.model.frozen = true;
            int lost = drive.queue.read(drive.namespace(1), 7, 1, drive.buffer.address());
            drive.queue.flush();
            var reset = drive.controller.reset().toCompletableFuture();
            assertEquals(NvmeStatus.ABORTED_BY_HOST, drive.complete(lost), "lost to the reset, which is no error");
            drive.model.frozen = false;
            drive.awaitLive();
            reset.get();
            assertEquals(1, log.errorCount());
            try (IoQueue other = drive.controller.openQueue(null)) {
                Commands commands = new Commands(other);
                assertEquals(
                        BAD, commands.status(() -> other.read(drive.namespace(1), 41, 2, drive.buffer.address())));
            }
            assertEquals(List.of(41L, 42L), log.entries().stream().map(HostError::lba).toList());
        }
    }
}
