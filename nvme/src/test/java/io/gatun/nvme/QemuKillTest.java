package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Registers;
import io.gatun.testkit.GuestSuite;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.PeerProcess;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process is killed while its drive is at work, and the next one takes the drive as it was left. */
@RequiresPeer(Peer.QEMU)
class QemuKillTest {
    private static final int ROUNDS = 4;
    private static final int LONGEST_MILLIS = 400;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int KILLED = 128 + 9;

    @TempDir
    private Path directory;

    @Test
    void theNextProcessRecoversTheDriveAndFindsWhatWasAcknowledged() throws Exception {
        long seed = Long.getLong("gatun.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        NvmeModel model = NvmeModel.of("killed").with(NvmeDisk.ofMegabytes(16));
        Path journal = directory.resolve("journal");
        try (QtestMachine machine = QtestMachine.builder().controller(model).start()) {
            for (int round = 0; round < ROUNDS; round++) {
                machine.lend();
                writeAndDie(machine, journal, random.nextInt(LONGEST_MILLIS));
                if (round % 2 == 1) {
                    // The one that recovers may be killed itself.
                    writeAndDie(machine, journal, random.nextInt(LONGEST_MILLIS));
                }
                machine.takeBack();
                int configuration = machine.controller(0).readInt(Registers.CC);
                assertNotEquals(0, configuration & Registers.CC_EN, "nobody has turned the controller off");
                try (NvmeController controller =
                        NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS)) {
                    String where = "round " + round + ", seed " + seed;
                    assertAcknowledgedIsThere(controller, journal, where);
                    assertWorks(controller, round);
                    assertEquals(0, controller.resets(), where);
                }
            }
        }
    }

    private static void writeAndDie(QtestMachine machine, Path journal, int afterMillis) throws InterruptedException {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-ea",
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Dgatun.memory.checked=true",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                GuestSuite.classPath(),
                KilledWriter.class.getName(),
                machine.folder().toString(),
                journal.toString());
        try (PeerProcess writer = PeerProcess.start("writer", command)) {
            writer.output().await("it writes", 0, KilledWriter.WRITING::equals, PATIENCE);
            Thread.sleep(afterMillis);
            writer.kill();
            assertEquals(KILLED, writer.awaitExit(PATIENCE), () -> "it ended by itself\n" + writer.errors().tail(40));
        }
    }

    /** Each block is wholly of one write: the last that was acknowledged, or a later one that was not. */
    private static void assertAcknowledgedIsThere(NvmeController controller, Path file, String where)
            throws IOException {
        NvmeNamespace namespace = controller.namespaces().getFirst();
        int perBlock = KilledWriter.BLOCK_BYTES >>> namespace.blockShift();
        byte[] found = new byte[KilledWriter.BLOCK_BYTES];
        byte[] expected = new byte[KilledWriter.BLOCK_BYTES];
        long acknowledged = 0;
        try (WriteJournal journal = WriteJournal.open(file, KilledWriter.BLOCKS);
                DmaBuffer memory = controller.memory().allocate(KilledWriter.BLOCK_BYTES);
                IoQueue queue = controller.openQueue(null)) {
            Commands commands = new Commands(queue);
            for (int block = 0; block < KilledWriter.BLOCKS; block++) {
                long lba = (long) block * perBlock;
                assertEquals(
                        NvmeStatus.SUCCESS,
                        commands.status(() -> queue.read(namespace, lba, perBlock, memory.address())));
                Memory.copyToArray(memory.address(), found, 0, found.length);
                boolean known = journal.acknowledged(block) == 0; // nothing is promised
                for (int g = journal.acknowledged(block); !known && g <= journal.started(block); g++) {
                    VerifiedIo.fill(expected, (long) block * KilledWriter.BLOCK_BYTES, g);
                    known = Arrays.equals(expected, found);
                }
                if (!known) {
                    fail(where + ": block " + block + " has neither its write " + journal.acknowledged(block)
                            + ", which was acknowledged, nor one up to " + journal.started(block));
                }
                acknowledged += journal.acknowledged(block);
            }
        }
        assertTrue(acknowledged > 0, where + ": nothing was acknowledged");
    }

    private static void assertWorks(NvmeController controller, int generation) {
        long beyond = (long) KilledWriter.BLOCKS * KilledWriter.BLOCK_BYTES;
        try (VerifiedIo io = new VerifiedIo(controller, controller.namespaces().getFirst(), 16, 4096, 0)) {
            io.write(beyond, 64, generation);
            io.verify(beyond, 64, generation);
        }
    }
}
