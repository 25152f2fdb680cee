package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a Linux guest expects of its disk, whoever serves it. A disk that the program cannot serve is skipped. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class GuestDiskContract {
    private static final int EVENT_IDX = 29;
    private static final int RING_PACKED = 34;
    private static final int VERSION_1 = 32;
    private static final Duration STEP = Duration.ofSeconds(90);

    abstract DiskProgram program();

    Stream<DiskSpec> disks() {
        return Stream.of(DiskSpec.Medium.values())
                .flatMap(medium -> Stream.of(false, true)
                        .flatMap(packed -> Stream.of(1, 4)
                                .map(queues -> DiskSpec.of(medium)
                                        .withPacked(packed)
                                        .withQueues(queues))))
                .filter(program()::supports);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("disks")
    void livesOnTheDisk(DiskSpec spec) {
        try (DiskServer server = DiskServer.start(program(), spec);
                QemuGuest guest = guestOf(server)) {
            QemuGuest.StepResult info = guest.run("info vda", STEP);
            assertTrue(info.feature(VERSION_1), "VERSION_1");
            assertEquals(spec.packed(), info.feature(RING_PACKED), "packed ring");
            assertTrue(info.feature(EVENT_IDX), "EVENT_IDX");
            assertEquals(program().offersWriteCache() ? "write back" : "write through", info.value("WRITE_CACHE"));
            assertEquals(spec.queues(), info.number("QUEUES"));
            assertEquals((long) spec.sizeMegabytes() << 11, info.number("SECTORS"));
            assertEquals("0", info.value("READ_ONLY"));

            guest.run("write_read vda", STEP);
            guest.run("parallel vda 4 4", STEP);
            guest.run("discard vda", STEP);
            guest.run("write_zeroes vda", STEP);
            assertTrue(guest.run("filesystem vda", STEP).number("FILES") > 4, "files compared after the remount");
            guest.run("trim vda", STEP);
            guest.run("kernel_log", STEP);
            guest.powerOff();
        }
    }

    @Test
    void readOnlyDiskRefusesWrites() {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withReadOnly();
        assumeTrue(program().supports(spec));
        try (DiskServer server = DiskServer.start(program(), spec);
                QemuGuest guest = guestOf(server)) {
            assertEquals("1", guest.run("info vda", STEP).value("READ_ONLY"));
            guest.run("read_only vda", STEP);
            guest.powerOff();
        }
    }

    @Test
    void firmwareBootsFromTheDisk() {
        for (int queues : new int[] {1, 4}) {
            DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withQueues(queues);
            try (DiskServer server = DiskServer.prepare(program(), spec)) {
                String text = "BOOTED-FROM-" + System.nanoTime();
                BootSector.write(server.image(), text);
                server.start();
                try (QemuGuest guest = QemuGuest.builder()
                        .bootFromDisk()
                        .disk(server.guestDisk().withBoot())
                        .start()) {
                    guest.awaitLine("the boot sector's text", line -> line.endsWith(text), QemuGuest.BOOT_TIMEOUT);
                }
            }
        }
    }

    static QemuGuest guestOf(DiskServer server) {
        QemuGuest.Builder guest = QemuGuest.builder()
                .processors(Math.max(2, server.spec().queues()))
                .disk(server.guestDisk());
        try {
            return guest.boot();
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "\n" + server + " said:\n" + server.process().tail(), e);
        }
    }
}
