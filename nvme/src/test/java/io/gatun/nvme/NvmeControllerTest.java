package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.nvme.software.BentController;
import io.gatun.nvme.software.SoftwareMemory;
import io.gatun.nvme.software.SoftwareNamespace;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.nvme.spec.Opcode;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Start, shutdown and admin commands, against a controller in memory. */
class NvmeControllerTest {
    @Test
    void saysWhatTheControllerIs() {
        try (Drive drive = new Drive()) {
            NvmeController controller = drive.controller;
            assertEquals("Gatun software controller", controller.data().modelNumber());
            assertEquals("SOFT0001", controller.data().serialNumber());
            assertEquals("1.0", controller.data().firmwareRevision());
            assertEquals(0x20000, controller.version());
            assertEquals(8, controller.ioQueueLimit());
            assertEquals(128 << 10, controller.maxTransferBytes());
            assertTrue(controller.data().hasVolatileWriteCache());
            assertTrue(controller.data().supportsCompare() && controller.data().supportsVerify());
            assertFalse(controller.data().supportsSgl());
        }
    }

    @Test
    void namespacesHaveSizesFormatsAndIdentities() {
        try (Drive drive = new Drive()) {
            List<NvmeNamespace> namespaces = drive.controller.namespaces();
            assertEquals(List.of(1, 2), namespaces.stream().map(NvmeNamespace::id).toList());
            assertEquals(512, namespaces.get(0).blockBytes());
            assertEquals(Drive.BYTES / 512, namespaces.get(0).blockCount());
            assertEquals(4096, namespaces.get(1).blockBytes());
            assertEquals("67617475-6e00-4000-8000-000000000002", namespaces.get(1).uuid().toString());
            assertEquals("software namespace 1", namespaces.get(0).toString());
        }
    }

    @Test
    void aControllerBeforeVersion11IsAskedForEachNamespace() {
        SoftwareOptions old = SoftwareOptions.DEFAULTS.withVersion(0x10000);
        try (Drive drive = new Drive(old, Drive.QUICK, false)) {
            assertEquals(2, drive.controller.namespaces().size());
            assertEquals(3, drive.namespace(1).uuid().version(), "made from the serial number");
        }
    }

    @Test
    void theLogsAreRead() {
        try (Drive drive = new Drive()) {
            HealthLog health = drive.controller.health();
            assertEquals(27, health.temperatureCelsius());
            assertEquals(100, health.availableSparePercent());
            assertEquals(7, health.powerCycles().intValue());
            assertEquals("nothing is wrong", health.warnings());
            assertEquals(List.of(), drive.controller.errors());
            assertEquals(1, drive.controller.firmwareSlots().activeSlot());
            assertEquals("1.0", drive.controller.firmwareSlots().revisions().getFirst());
        }
    }

    /** QEMU's model has no such entries: see docs/known-issues.md. */
    @Test
    void mediaErrorsShowInTheLogs() {
        try (Drive drive = new Drive()) {
            drive.media.getFirst().spoil(42);
            NvmeNamespace namespace = drive.namespace(1);
            int identifier = drive.queue.read(namespace, 40, 8, drive.buffer.address());
            assertEquals(NvmeStatus.UNRECOVERED_READ_ERROR, NvmeStatus.code(drive.complete(identifier)));
            assertEquals(0, drive.complete(drive.queue.read(namespace, 43, 8, drive.buffer.address())));
            assertEquals(1, drive.controller.health().mediaErrors().intValue());
            assertEquals(1, drive.controller.health().errorLogEntries().intValue());
            assertEquals(1, drive.controller.errors().size());
            ErrorLogEntry error = drive.controller.errors().getFirst();
            assertEquals(42, error.lba());
            assertEquals(1, error.namespaceId());
            assertEquals(1, error.queueId());
            assertEquals(NvmeStatus.UNRECOVERED_READ_ERROR, NvmeStatus.code(error.status()));
            drive.complete(drive.queue.read(namespace, 42, 1, drive.buffer.address()));
            assertEquals(2, drive.controller.errors().getFirst().errorCount(), "the newest comes first");
        }
    }

    @Test
    void featuresAreReadAndSet() {
        try (Drive drive = new Drive()) {
            assertEquals(1, drive.controller.getFeature(Opcode.FEATURE_WRITE_CACHE, 0));
            drive.controller.setFeature(Opcode.FEATURE_WRITE_CACHE, 0, 0);
            assertEquals(0, drive.controller.getFeature(Opcode.FEATURE_WRITE_CACHE, 0));
            NvmeException e = assertThrows(NvmeException.class, () -> drive.controller.getFeature(0xc0, 0));
            assertEquals(NvmeStatus.INVALID_FIELD, NvmeStatus.code(e.status()));
            assertEquals("software: get feature 192: invalid field (0/02h)", e.getMessage());
        }
    }

    @Test
    void aFormatChangesTheBlocksAndTellsListeners() {
        try (Drive drive = new Drive()) {
            AtomicInteger changes = new AtomicInteger();
            drive.controller.onNamespacesChanged(changes::incrementAndGet);
            NvmeNamespace namespace = drive.namespace(1);
            drive.controller.format(namespace, 1, 0, Duration.ofSeconds(5));
            assertEquals(4096, namespace.blockBytes());
            assertEquals(1, changes.get());
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> drive.controller.format(namespace, 2, 0, Duration.ofSeconds(5)));
        }
    }

    @Test
    void aNoticeOfChangedNamespacesIsFollowed() {
        try (Drive drive = new Drive()) {
            NvmeNamespace namespace = drive.namespace(2);
            AtomicInteger changes = new AtomicInteger();
            drive.controller.onNamespacesChanged(changes::incrementAndGet);
            // More often than there are requests at a time: each one is sent again.
            for (int blocks = 1; blocks <= 10; blocks++) {
                drive.media.get(1).resize(blocks);
                drive.model.sendEvent(2 | Opcode.LOG_CHANGED_NAMESPACES << 16);
                int wanted = blocks;
                Drive.await("a new size", () -> namespace.blockCount() == wanted);
            }
            drive.media.get(1).resize(0);
            drive.model.sendEvent(2 | Opcode.LOG_CHANGED_NAMESPACES << 16);
            Drive.await("the namespace is gone", () -> !namespace.isActive());
            assertEquals(1, drive.controller.namespaces().size());
            Drive.await("listeners are told", () -> changes.get() == 11);
        }
    }

    @Test
    void aNamespaceThatCannotBeUsedAnyMoreIsGivenUpUntilItCan() {
        try (Drive drive = new Drive()) {
            NvmeNamespace namespace = drive.namespace(1);
            NamespaceData good = namespace.data();
            int[][] bad = {{128, 9 << 16 | 8}, {128, 17 << 16}, {29, 1}}; // LBAF 0: metadata, block size; DPS
            for (int[] field : bad) {
                drive.model.identity = (what, id, answer) -> {
                    if (what == Opcode.CNS_NAMESPACE && id == 1) {
                        answer.putInt(field[0], field[1]);
                    }
                };
                drive.controller.rescan();
                assertFalse(namespace.isActive());
                assertEquals(good, namespace.data(), "as it was");
                assertEquals(List.of(drive.second), drive.controller.namespaces());
                drive.model.identity = (_, _, _) -> {};
                drive.controller.rescan();
                assertTrue(namespace.isActive());
                assertEquals(List.of(namespace, drive.second), drive.controller.namespaces());
                good = namespace.data();
            }
        }
    }

    @Test
    void anotherNamespaceOfTheSameNumberIsAnotherOne() {
        try (Drive drive = new Drive()) {
            NvmeNamespace before = drive.second;
            drive.media.get(1).resize(0);
            drive.controller.rescan();
            assertFalse(before.isActive());
            drive.model.identity = (what, id, answer) -> {
                if (what == Opcode.CNS_NAMESPACE_DESCRIPTORS && id == 2) {
                    answer.put(5, (byte) 0x77);
                }
            };
            drive.media.get(1).resize(16);
            drive.controller.rescan();
            NvmeNamespace now = drive.namespace(2);
            assertNotEquals(before, now);
            assertFalse(before.isActive());
            assertTrue(now.isActive());
        }
    }

    @Test
    void anotherNamespaceThatLooksTheSameIsAnotherOne() {
        try (Drive drive = new Drive()) {
            NvmeNamespace before = drive.second;
            AtomicInteger changes = new AtomicInteger();
            drive.controller.onNamespacesChanged(changes::incrementAndGet);
            drive.controller.rescan();
            assertEquals(0, changes.get());
            drive.model.identity = (what, id, answer) -> {
                if (what == Opcode.CNS_NAMESPACE_DESCRIPTORS && id == 2) {
                    answer.put(5, (byte) 0x77);
                }
            };
            drive.controller.rescan();
            NvmeNamespace now = drive.namespace(2);
            assertNotEquals(before, now);
            assertFalse(before.isActive());
            assertTrue(now.isActive());
            assertEquals(1, changes.get());
        }
    }

    @Test
    void aNamespaceThatTheControllerRefusesToNameIsTheOneItWas() {
        try (Drive drive = new Drive()) {
            int[] used = {100};
            boolean[] refuse = {true};
            drive.model.identity = (what, id, answer) -> {
                if (what == Opcode.CNS_NAMESPACE && id == 2) {
                    answer.putLong(16, used[0]); // NUSE
                    drive.model.refusesNextAdmin = refuse[0];
                }
            };
            drive.controller.rescan();
            assertFalse(drive.model.refusesNextAdmin, "it was asked");
            assertEquals(drive.second, drive.namespace(2));
            assertTrue(drive.second.isActive());
            assertEquals(100, Fields.i64(drive.second.data().bytes(), 16));
            refuse[0] = false;
            used[0] = 200;
            drive.controller.rescan();
            assertEquals(drive.second, drive.namespace(2));
            assertEquals(200, Fields.i64(drive.second.data().bytes(), 16));
        }
    }

    @Test
    void aNamespaceThatIsNamedLateIsTheOneItWas() {
        List<SoftwareNamespace> media = List.of(SoftwareNamespace.ofMemory(1 << 20, 9));
        BentController model = new BentController(new SoftwareMemory(false), SoftwareOptions.DEFAULTS, media);
        model.identity = (what, _, _) -> model.refusesNextAdmin = what == Opcode.CNS_NAMESPACE;
        try (NvmeController controller = NvmeController.attach(model, Drive.QUICK)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            assertEquals(3, namespace.uuid().version(), "made from the serial number");
            model.identity = (_, _, _) -> {};
            controller.rescan();
            assertEquals(List.of(namespace), controller.namespaces());
            model.identity = (what, _, answer) -> {
                if (what == Opcode.CNS_NAMESPACE_DESCRIPTORS) {
                    answer.put(5, (byte) 0x77);
                }
            };
            controller.rescan();
            assertNotEquals(List.of(namespace), controller.namespaces(), "now it is known by the name it was given");
        }
        Drive.await("closed", model::isClosed);
        media.forEach(SoftwareNamespace::close);
    }

    @Test
    void zeroesHaveALimitOfTheirOwn() {
        try (Drive drive = new Drive()) {
            assertEquals(128 << 10, drive.controller.maxZeroesBytes(), "that of data, where none is told");
            for (int shift : new int[] {0, 1, 10}) {
                int resets = shift == 0 ? 1 : shift == 1 ? 2 : 3;
                drive.model.identity = (what, _, answer) -> {
                    if (what == Opcode.CNS_COMMAND_SET_CONTROLLER) {
                        answer.put(1, (byte) shift);
                    }
                };
                drive.controller.reset();
                drive.pollUntil("a reset", () -> drive.controller.resets() == resets && drive.queue.isLive());
                assertEquals(shift == 0 ? 128 << 10 : 4096 << shift, drive.controller.maxZeroesBytes());
            }
        }
    }

    @Test
    void queuesAreAsManyAsTheControllerGrants() {
        try (Drive drive = new Drive(SoftwareOptions.DEFAULTS.withQueues(64, 3), Drive.QUICK, false)) {
            assertEquals(48, drive.queue.depth());
            IoQueue second = drive.controller.openQueue(null);
            IoQueue third = drive.controller.openQueue(null);
            NvmeException e = assertThrows(NvmeException.class, () -> drive.controller.openQueue(null));
            assertTrue(e.getMessage().contains("has 3 I/O queue pairs, and all are in use"), e.getMessage());
            Drive.await("all are known", () -> drive.model.hasQueue(3) && second.isLive() && third.isLive());
            second.close();
            Drive.await("it is forgotten", () -> !drive.model.hasQueue(2));
            Drive.await("its number is free", () -> drive.controller.openQueueCount() == 2);
            try (IoQueue again = drive.controller.openQueue(null)) {
                assertEquals(2, again.id());
            }
            third.close();
        }
    }

    @Test
    void nothingIsLeftBehind() {
        int before = Mapping.openCount();
        try (Drive drive = new Drive(SoftwareOptions.DEFAULTS.withShadowDoorbells(true), Drive.QUICK, false)) {
            assertTrue(drive.controller.usesShadowDoorbells());
        }
        assertEquals(before + 1, Mapping.openCount(), "the test's own buffer");
    }

    @Test
    void aClosedControllerAnswersNothing() {
        BentController model = new BentController(new SoftwareMemory(false), SoftwareOptions.DEFAULTS, List.of());
        NvmeController controller = NvmeController.attach(model, Drive.QUICK);
        controller.close();
        assertTrue(model.isClosed());
        assertThrows(NvmeException.class, controller::health);
    }

    @Test
    void aControllerThatSomeoneLeftEnabledIsTaken() {
        List<SoftwareNamespace> media = List.of(SoftwareNamespace.ofMemory(1 << 20, 9));
        BentController model = new BentController(new SoftwareMemory(false), SoftwareOptions.DEFAULTS, media);
        model.writeInt(0x24, 0x1f001f);
        model.writeInt(0x14, 0x460001);
        assertTrue(model.isEnabled());
        NvmeController.attach(model, Drive.QUICK).close();
        Drive.await("closed", model::isClosed);
        assertFalse(model.isEnabled());
        media.forEach(SoftwareNamespace::close);
    }

    @Test
    void whatCannotBeDrivenIsRefusedWithTheReason() {
        assertRefused("does not become ready within 500 ms (CAP.TO)", m -> m.neverReady = true);
        assertRefused("is gone: its registers read as all ones", m -> m.gone = true);
        assertRefused("set the number of queues has not completed after", m -> m.ignoredAdmin = Opcode.SET_FEATURES);
    }

    @Test
    void queuesOfOneEntryAreRefused() {
        BentController model = new BentController(
                new SoftwareMemory(false), SoftwareOptions.DEFAULTS.withQueues(1, 2), List.of());
        NvmeException e = assertThrows(NvmeException.class, () -> NvmeController.attach(model, Drive.QUICK));
        assertTrue(e.getMessage().contains("has queues of 1 entry"), e.getMessage());
        assertTrue(model.isClosed());
    }

    @Test
    void blocksThatNoCommandCanTransferAreNotOffered() {
        try (SoftwareNamespace large = SoftwareNamespace.ofMemory(1 << 20, 9);
                SoftwareNamespace small = SoftwareNamespace.ofMemory(1 << 20, 12)) {
            BentController model = new BentController(
                    new SoftwareMemory(false),
                    SoftwareOptions.DEFAULTS.withTransferShift(1),
                    List.of(large, small));
            model.identity = (what, id, answer) -> {
                if (what == Opcode.CNS_NAMESPACE && id == 1) {
                    answer.putInt(128, 14 << 16); // LBAF 0: blocks of 16 KiB
                }
            };
            try (NvmeController controller = NvmeController.attach(model, Drive.QUICK)) {
                assertEquals(8192, controller.maxTransferBytes());
                assertEquals(List.of(2), controller.namespaces().stream().map(NvmeNamespace::id).toList());
            }
        }
    }

    private static void assertRefused(String reason, java.util.function.Consumer<BentController> bend) {
        int before = Mapping.openCount();
        SoftwareOptions options = new SoftwareOptions(64, 2, 5, 0, 1, 0, false, 0x20000);
        BentController model = new BentController(new SoftwareMemory(false), options, List.of());
        bend.accept(model);
        NvmeOptions quick = Drive.QUICK.withTimeouts(Duration.ofMillis(50), Duration.ofMillis(200));
        NvmeException e = assertThrows(NvmeException.class, () -> NvmeController.attach(model, quick));
        assertTrue(e.getMessage().contains(reason), e.getMessage());
        assertTrue(model.isClosed());
        assertEquals(before, Mapping.openCount());
    }
}
