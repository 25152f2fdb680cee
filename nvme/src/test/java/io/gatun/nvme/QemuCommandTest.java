package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Memory;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import java.math.BigInteger;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every command of the driver but plain reads and writes, which are {@link QemuDataTest}'s. */
@RequiresPeer(Peer.QEMU)
class QemuCommandTest {
    private static final int TEMPERATURE_THRESHOLD = 0x04;
    private static final int VOLATILE_WRITE_CACHE = 0x06;
    /** Kelvin; QEMU's model has 323. */
    private static final int COLD = 300;

    private static final int BLOCK = 512;

    private QemuDrives drives;
    private NvmeController controller;
    private NvmeNamespace namespace;

    @BeforeEach
    void attach() {
        drives = QemuDrives.start();
        controller = drives.attach(QemuDrives.LARGE);
        namespace = controller.namespaces().getFirst();
    }

    @AfterEach
    void detach() {
        controller.close();
        drives.close();
    }

    @Test
    void controllerAndNamespacesSayWhatTheyAre() {
        ControllerData data = controller.data();
        NvmeModel model = QemuDrives.MODELS.get(QemuDrives.LARGE);
        assertEquals(model.serial(), data.serialNumber());
        assertEquals("QEMU NVMe Ctrl", data.modelNumber());
        assertEquals("nqn.2019-08.org.qemu:" + model.serial(), data.subsystemName());
        assertEquals(0x1_0400, controller.version());
        assertEquals(1 << 20, controller.maxTransferBytes());
        assertTrue(data.supportsCompare() && data.supportsWriteZeroes() && data.supportsDatasetManagement());
        assertTrue(data.supportsFormat());
        assertTrue(data.supportsSgl());

        List<NvmeNamespace> all = controller.namespaces();
        assertEquals(List.of(1, 2), all.stream().map(NvmeNamespace::id).toList());
        for (NvmeNamespace each : all) {
            assertEquals(64 << 20, each.blockCount() * each.blockBytes());
            List<Integer> blocks = IntStream.range(0, each.data().formatCount())
                    .map(i -> each.data().format(i).blockBytes())
                    .distinct()
                    .boxed()
                    .toList();
            assertTrue(blocks.containsAll(List.of(512, 4096)), blocks::toString);
        }
        assertNotEquals(all.get(0).uuid(), all.get(1).uuid());
    }

    @Test
    void zeroesDeallocationComparisonAndVerificationConcernTheirBlocksAlone() {
        try (VerifiedIo io = new VerifiedIo(controller, namespace, 4, 4 * BLOCK, 0);
                DmaBuffer memory = controller.memory().allocate(4 * BLOCK)) {
            Commands commands = new Commands(io.queue);
            io.write(0, 8, 1);

            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> io.queue.verify(namespace, 0, 32)));
            assertEquals(
                    NvmeStatus.SUCCESS, commands.status(() -> io.queue.read(namespace, 4, 4, memory.address())));
            assertEquals(
                    NvmeStatus.SUCCESS, commands.status(() -> io.queue.compare(namespace, 4, 4, memory.address())));
            assertEquals(
                    NvmeStatus.COMPARE_FAILURE,
                    commands.status(() -> io.queue.compare(namespace, 8, 4, memory.address())));

            assertEquals(
                    NvmeStatus.SUCCESS, commands.status(() -> io.queue.writeZeroes(namespace, 8, 4, false)));
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> io.queue.writeZeroes(namespace, 16, 4, true)));
            for (int lba : new int[] {8, 16}) {
                Memory.fill(memory.address(), 4 * BLOCK, (byte) 1);
                assertEquals(
                        NvmeStatus.SUCCESS, commands.status(() -> io.queue.read(namespace, lba, 4, memory.address())));
                byte[] found = new byte[4 * BLOCK];
                Memory.copyToArray(memory.address(), found, 0, found.length);
                assertTrue(IntStream.range(0, found.length).allMatch(i -> found[i] == 0), "zeros at " + lba);
            }
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> io.queue.deallocate(namespace, 24, 4)));
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> io.queue.flushCache(namespace)));

            for (int untouched : new int[] {0, 4, 12, 20, 28}) {
                io.verify((long) untouched * BLOCK, 1, 1);
            }
            assertEquals(
                    NvmeStatus.LBA_OUT_OF_RANGE,
                    commands.status(() -> io.queue.writeZeroes(namespace, namespace.blockCount() - 1, 2, false)));
        }
    }

    @Test
    void logsCountWhatIsDone() {
        HealthLog before = controller.health();
        assertEquals(50, before.temperatureCelsius());
        assertEquals(0, before.criticalWarning());
        try (VerifiedIo io = new VerifiedIo(controller, namespace, 8, 1 << 20, 0)) {
            io.write(0, 8, 2);
            io.verify(0, 8, 2);
        }
        HealthLog after = controller.health();
        assertEquals(8, after.writeCommands().subtract(before.writeCommands()).intValueExact());
        assertEquals(8, after.readCommands().subtract(before.readCommands()).intValueExact());
        // In units of a thousand sectors.
        BigInteger written = after.dataUnitsWritten().subtract(before.dataUnitsWritten());
        assertTrue(List.of(16, 17).contains(written.intValueExact()), written::toString);

        assertEquals(List.of(), controller.errors());
        FirmwareSlots slots = controller.firmwareSlots();
        assertEquals(1, slots.activeSlot());
        assertEquals("1.0", slots.revisions().getFirst(), "whatever the model's own revision is");
    }

    @Test
    void featuresAreSetAndTheEventThatFollowsIsTaken() {
        int cache = controller.getFeature(VOLATILE_WRITE_CACHE, 0);
        controller.setFeature(VOLATILE_WRITE_CACHE, 0, cache ^ 1);
        assertEquals(cache ^ 1, controller.getFeature(VOLATILE_WRITE_CACHE, 0));
        controller.setFeature(VOLATILE_WRITE_CACHE, 0, cache);

        int threshold = controller.getFeature(TEMPERATURE_THRESHOLD, 0);
        assertEquals(0, controller.events());
        // Each event is asked for anew, and its log read, or else the next would not come.
        for (int i = 1; i <= 3; i++) {
            int count = i;
            controller.setFeature(TEMPERATURE_THRESHOLD, 0, COLD);
            Waiting.until("the event " + i, () -> controller.events() == count);
            assertEquals("temperature", controller.health().warnings());
            controller.setFeature(TEMPERATURE_THRESHOLD, 0, threshold);
            assertEquals(0, controller.health().criticalWarning());
        }
    }

    @Test
    void formatChangesTheBlocksAndBack() {
        AtomicInteger changes = new AtomicInteger();
        controller.onNamespacesChanged(changes::incrementAndGet);
        for (int blockBytes : new int[] {4096, 512}) {
            try (VerifiedIo io = new VerifiedIo(controller, namespace, 4, 4096, 0)) {
                io.write(0, 16, blockBytes);
                io.verify(0, 16, blockBytes);
            }
            int format = IntStream.range(0, namespace.data().formatCount())
                    .filter(i -> namespace.data().format(i).blockBytes() == blockBytes)
                    .filter(i -> namespace.data().format(i).metadataBytes() == 0)
                    .findFirst()
                    .orElseThrow();
            controller.format(namespace, format, 0, Duration.ofSeconds(20));
            assertEquals(blockBytes, namespace.blockBytes());
            assertEquals(64 << 20, namespace.blockCount() * blockBytes);
            assertEquals(blockBytes, controller.namespaces().getFirst().blockBytes());
            try (VerifiedIo io = new VerifiedIo(controller, namespace, 16, 4096, 512)) {
                io.write(0, 64, blockBytes + 1);
                io.verify(0, 64, blockBytes + 1);
            }
        }
        assertEquals(2, changes.get());
    }

    @Test
    void scatteredMemoryIsNamedByPrpEntriesOrAnSgl() {
        try (DmaBuffer memory = controller.memory().allocate(1 << 20);
                IoQueue queue = controller.openQueue(null)) {
            long base = memory.address();
            // Whole pages in any order; then pieces that no PRP list can name, for they end within a page.
            long[][] addresses = {
                {base + 0x3000, base + 0x1000, base + 0x9000}, {base + 0x5200, base + 0x7800, base + 0xb004}
            };
            int[][] lengths = {{0x1000, 0x2000, 0x1000}, {0x200, 0x1a00, 0x2400}};
            Commands commands = new Commands(queue);
            for (int i = 0; i < addresses.length; i++) {
                byte[] text = new byte[0x4000];
                VerifiedIo.fill(text, 0, 7 + i);
                for (boolean write : new boolean[] {true, false}) {
                    Memory.fill(base, 1 << 20, (byte) 0);
                    if (write) {
                        scatter(text, addresses[i], lengths[i]);
                    }
                    int kind = i;
                    assertEquals(NvmeStatus.SUCCESS, commands.status(() -> {
                        int identifier = queue.take();
                        if (identifier >= 0) {
                            int named = queue.point(
                                    identifier, addresses[kind], lengths[kind], 0, 3, 0, text.length, BLOCK);
                            assertEquals(text.length, named);
                            queue.send(identifier, write, namespace.id(), 64, text.length / BLOCK);
                        }
                        return identifier;
                    }));
                    int at = 0;
                    for (int piece = 0; !write && piece < 3; piece++) {
                        byte[] found = new byte[lengths[i][piece]];
                        Memory.copyToArray(addresses[i][piece], found, 0, found.length);
                        assertArrayEquals(
                                Arrays.copyOfRange(text, at, at + found.length), found);
                        at += found.length;
                    }
                }
            }
        }
    }

    private static void scatter(byte[] text, long[] addresses, int[] lengths) {
        int at = 0;
        for (int i = 0; i < addresses.length; i++) {
            Memory.copyFromArray(text, at, addresses[i], lengths[i]);
            at += lengths[i];
        }
    }

    @Test
    void completionsInterruptWhereThereAreVectors() {
        try (DmaBuffer memory = controller.memory().allocate(4096);
                IoQueue queue = controller.openQueue(null)) {
            Commands commands = new Commands(queue);
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> queue.read(namespace, 0, 1, memory.address())));
            boolean interrupts = queue.wakeFd() >= 0;
            for (int i = 0; i < 8; i++) {
                assertTrue(queue.arm(), "nothing is in flight: one can sleep");
                queue.disarm();
                int identifier = queue.read(namespace, i, 1, memory.address());
                queue.flush();
                boolean sleeps = queue.arm();
                if (interrupts && sleeps) {
                    Waiting.until("an interrupt", () -> EventFd.drain(queue.wakeFd()) == 1);
                } else {
                    // Without interrupts, or with the completion there already, one must not sleep.
                    assertFalse(sleeps);
                }
                queue.disarm();
                commands.drain();
                assertTrue(identifier >= 0);
            }
        }
    }
}
