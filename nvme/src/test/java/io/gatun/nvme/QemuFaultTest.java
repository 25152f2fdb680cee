package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Media that fail, a controller that freezes, a controller that is pulled out. */
@RequiresPeer(Peer.QEMU)
class QemuFaultTest {
    private static final NvmeOptions IMPATIENT = NvmeOptions.DEFAULTS
            .withTimeouts(Duration.ofMillis(200), Duration.ofMillis(300))
            .withTick(Duration.ofMillis(20));

    private static final int BAD_SECTOR = 2048;

    @Test
    void mediaErrorsConcernTheirBlocksAlone() {
        NvmeModel model = NvmeModel.of("bad")
                .with(NvmeDisk.ofMegabytes(16).withFault(NvmeDisk.Access.READ, BAD_SECTOR))
                .with(NvmeDisk.ofMegabytes(16).withFault(NvmeDisk.Access.WRITE, BAD_SECTOR));
        try (QtestMachine machine = QtestMachine.builder().controller(model).start();
                NvmeController controller =
                        NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS);
                DmaBuffer memory = controller.memory().allocate(64 << 10);
                IoQueue queue = controller.openQueue(null)) {
            Commands commands = new Commands(queue);
            NvmeNamespace unreadable = controller.namespaces().get(0);
            NvmeNamespace unwritable = controller.namespaces().get(1);
            for (int lba : new int[] {BAD_SECTOR, BAD_SECTOR - 7}) {
                assertEquals(
                        NvmeStatus.UNRECOVERED_READ_ERROR,
                        commands.status(() -> queue.read(unreadable, lba, 8, memory.address())));
                assertEquals(
                        NvmeStatus.WRITE_FAULT,
                        commands.status(() -> queue.write(unwritable, lba, 8, memory.address())));
            }
            for (int lba : new int[] {BAD_SECTOR + 1, BAD_SECTOR - 8}) {
                assertEquals(
                        NvmeStatus.SUCCESS, commands.status(() -> queue.read(unreadable, lba, 8, memory.address())));
                assertEquals(
                        NvmeStatus.SUCCESS, commands.status(() -> queue.write(unwritable, lba, 8, memory.address())));
            }
            assertEquals(
                    NvmeStatus.SUCCESS,
                    commands.status(() -> queue.write(unreadable, BAD_SECTOR, 8, memory.address())));
            assertEquals(
                    NvmeStatus.SUCCESS,
                    commands.status(() -> queue.read(unwritable, BAD_SECTOR, 8, memory.address())));
            assertEquals(0, controller.resets(), "a bad block is no reason to reset");
            // QEMU's model counts what is done and not what fails: its logs know of no bad block, but ours does.
            assertTrue(controller.health().readCommands().intValue() > 0);
            assertEquals(
                    List.of(
                            new HostErrorLog.Count(1, NvmeStatus.UNRECOVERED_READ_ERROR, 2),
                            new HostErrorLog.Count(2, NvmeStatus.WRITE_FAULT, 2)),
                    controller.hostErrors().counts());
        }
    }

    @Test
    void frozenControllerIsResetAndLosesNoAcknowledgedWrite() throws InterruptedException {
        try (QtestMachine machine = machine();
                NvmeController controller = NvmeController.attach(new QtestTransport(machine, 0), IMPATIENT)) {
            Load load = Load.start(controller);
            for (int freeze = 1; freeze <= 3; freeze++) {
                long before = load.acknowledged.get();
                Waiting.until("the load goes on", () -> load.acknowledged.get() > before || load.failed());
                long resets = controller.resets();
                machine.freeze();
                // Time-out, abort, time-out of the abort: now it is being reset, which it does not react to either.
                Thread.sleep(1_500);
                long frozenAt = load.acknowledged.get();
                Thread.sleep(200);
                assertEquals(frozenAt, load.acknowledged.get(), "a frozen controller acknowledges nothing");
                machine.thaw();
                Waiting.until("it is reset and used again", () -> controller.resets() > resets || load.failed());
            }
            load.stopAndVerify();
        }
    }

    @Test
    void frozenForTooLongFailsItsIoAndIsUsedAgainOnceItIsThawed() {
        NvmeOptions options = IMPATIENT.withFailAfter(Duration.ofMillis(500));
        try (QtestMachine machine = machine();
                NvmeController controller = NvmeController.attach(new QtestTransport(machine, 0), options);
                DmaBuffer memory = controller.memory().allocate(4096);
                IoQueue queue = controller.openQueue(null)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            Commands commands = new Commands(queue);
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> queue.write(namespace, 0, 8, memory.address())));
            machine.freeze();
            assertEquals(
                    NvmeStatus.ABORTED_BY_HOST,
                    commands.status(() -> queue.write(namespace, 8, 8, memory.address())));
            assertEquals(
                    -Errno.ENODEV, commands.statusOrErrno(() -> queue.read(namespace, 0, 8, memory.address())));
            machine.thaw();
            assertEquals(
                    NvmeStatus.SUCCESS,
                    commands.statusOnceBack(() -> queue.read(namespace, 0, 8, memory.address())));
        }
    }

    @Test
    void removedControllerFailsItsIoAndNothingElse() throws InterruptedException {
        try (QtestMachine machine = QtestMachine.builder()
                        .controller(NvmeModel.of("gone").with(NvmeDisk.ofMegabytes(16)))
                        .controller(NvmeModel.of("stays").with(NvmeDisk.ofMegabytes(16)))
                        .start();
                NvmeController gone = NvmeController.attach(new QtestTransport(machine, 0), IMPATIENT);
                NvmeController stays = NvmeController.attach(new QtestTransport(machine, 1), NvmeOptions.DEFAULTS);
                DmaBuffer memory = gone.memory().allocate(4096);
                IoQueue queue = gone.openQueue(null)) {
            NvmeNamespace namespace = gone.namespaces().getFirst();
            Commands commands = new Commands(queue);
            Load load = Load.start(stays);
            assertEquals(NvmeStatus.SUCCESS, commands.status(() -> queue.read(namespace, 0, 8, memory.address())));
            machine.remove(0);
            int status = commands.statusOrErrno(() -> queue.read(namespace, 0, 8, memory.address()));
            assertTrue(status == NvmeStatus.ABORTED_BY_HOST || status == -Errno.ENODEV, () -> "status " + status);
            assertEquals(
                    -Errno.ENODEV, commands.statusOrErrno(() -> queue.read(namespace, 0, 8, memory.address())));
            assertTrue(gone.isGone());
            assertEquals(0, queue.inFlight());

            long before = load.acknowledged.get();
            Waiting.until("the other goes on", () -> load.acknowledged.get() > before + 100 || load.failed());
            load.stopAndVerify();
            assertFalse(stays.isGone());
            assertEquals(0, stays.resets());
        }
    }

    @Test
    void aControllerThatIsPluggedInAgainIsTakenAgain() {
        NvmeModel model =
                NvmeModel.of("again").with(NvmeDisk.ofMegabytes(16)).pluggable();
        CompletionBurst none = new CompletionBurst(1);
        try (QtestMachine machine = QtestMachine.builder().controller(model).start();
                NvmeController controller = NvmeController.attach(new QtestTransport(machine, 0), IMPATIENT)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            try (VerifiedIo io = new VerifiedIo(controller, namespace, 16, 4096, 0)) {
                for (int times = 1; times <= 3; times++) {
                    io.write(0, 64, times);
                    machine.remove(0);
                    Waiting.until("it is given up", () -> {
                        assertEquals(0, io.queue.poll(none));
                        return io.queue.isDown() && controller.isGone();
                    });
                    assertEquals(-Errno.ENODEV, io.queue.flushCache(namespace));
                    machine.plug(0);
                    Waiting.until("it is taken again", () -> {
                        assertEquals(0, io.queue.poll(none));
                        return io.queue.isLive();
                    });
                    assertFalse(controller.isGone());
                    io.verify(0, 64, times);
                }
            }
        }
    }

    private static QtestMachine machine() {
        return QtestMachine.builder()
                .controller(NvmeModel.of("one").with(NvmeDisk.ofMegabytes(16)))
                .start();
    }
}
