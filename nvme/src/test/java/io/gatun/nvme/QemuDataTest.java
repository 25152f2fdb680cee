package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.linux.Errno;
import io.gatun.testkit.Peer;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written is read: sizes, depths, alignment, namespaces, queue pairs. */
@RequiresPeer(Peer.QEMU)
class QemuDataTest {
    private static final int[] SIZES = {1 << 10, 4 << 10, 20 << 10, 64 << 10, 1 << 20};
    private static final int[] DEPTHS = {1, 16, 128};
    /** On a page; within one, such that a command's last page is not its first; nearly at the end of one. */
    private static final int[] MISALIGNED = {0, 512, 4092};

    private QemuDrives drives;

    @BeforeEach
    void start() {
        drives = QemuDrives.start();
    }

    @AfterEach
    void stop() {
        drives.close();
    }

    static Stream<Arguments> drivesAndDepths() {
        return IntStream.of(DEPTHS)
                .boxed()
                .flatMap(depth -> Stream.of(QemuDrives.LARGE, QemuDrives.SMALL).map(d -> Arguments.of(d, depth)));
    }

    @ParameterizedTest(name = "drive {0}, {1} in flight")
    @MethodSource("drivesAndDepths")
    void whatIsWrittenIsReadAtEverySizeAndAlignment(int drive, int depth) {
        try (NvmeController controller = drives.attach(drive)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            long generation = depth;
            for (int size : SIZES) {
                // All requests in memory at once would be 128 MiB of the largest.
                int inFlight = Math.min(depth, (8 << 20) / size);
                int count = Math.clamp((1 << 20) / size, 2, 2 * depth);
                for (int misaligned : MISALIGNED) {
                    generation++;
                    try (VerifiedIo io = new VerifiedIo(controller, namespace, inFlight, size, misaligned)) {
                        io.write(size, count, generation);
                        io.verify(size, count, generation);
                    }
                }
            }
        }
    }

    @Test
    void namespacesAreApartAndTheirBlocksOfTheirSize() {
        try (NvmeController controller = drives.attach(QemuDrives.LARGE)) {
            List<NvmeNamespace> namespaces = controller.namespaces();
            assertEquals(2, namespaces.size());
            assertEquals(512, namespaces.get(0).blockBytes());
            assertEquals(4096, namespaces.get(1).blockBytes());
            List<VerifiedIo> io = new ArrayList<>();
            for (NvmeNamespace namespace : namespaces) {
                io.add(new VerifiedIo(controller, namespace, 16, 4096, 0));
            }
            for (int i = 0; i < 2; i++) {
                io.get(i).write(0, 64, 100 + i);
                io.get(i).write((64 << 20) - 4096, 1, 200 + i);
            }
            for (int i = 0; i < 2; i++) {
                io.get(i).verify(0, 64, 100 + i);
                io.get(i).verify((64 << 20) - 4096, 1, 200 + i);
                io.get(i).close();
            }
        }
    }

    @Test
    void queuePairsOfSeveralThreadsDoNotDisturbEachOther() throws InterruptedException {
        int threads = 4;
        try (NvmeController controller = drives.attach(QemuDrives.LARGE)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            List<Throwable> failures = new ArrayList<>();
            List<Thread> all = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                long first = (long) i << 20;
                int generation = i;
                all.add(Thread.ofPlatform().start(() -> {
                    try (VerifiedIo io = new VerifiedIo(controller, namespace, 16, 4096, 0)) {
                        for (int round = 0; round < 4; round++) {
                            io.write(first, 64, generation + 10 * round);
                            io.verify(first, 64, generation + 10 * round);
                        }
                    } catch (Throwable t) {
                        synchronized (failures) {
                            failures.add(t);
                        }
                    }
                }));
            }
            for (Thread thread : all) {
                thread.join();
            }
            for (Throwable failure : failures) {
                throw new AssertionError(failures.size() + " of " + threads + " threads failed", failure);
            }
        }
    }

    @Test
    void queuePairsRunOutAndComeBack() {
        try (NvmeController controller = drives.attach(QemuDrives.SMALL)) {
            assertEquals(2, controller.ioQueueLimit());
            NvmeNamespace namespace = controller.namespaces().getFirst();
            for (int round = 0; round < 8; round++) {
                try (VerifiedIo one = new VerifiedIo(controller, namespace, 4, 4096, 0);
                        VerifiedIo two = new VerifiedIo(controller, namespace, 4, 4096, 0)) {
                    one.write(0, 8, round);
                    two.verify(0, 8, round);
                    NvmeException refusal =
                            assertThrows(NvmeException.class, () -> controller.openQueue(null).close());
                    assertTrue(refusal.getMessage().contains("all are in use"), refusal::getMessage);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void doorbellsGoThroughMemoryOrNot(boolean shadow) {
        NvmeOptions options = NvmeOptions.DEFAULTS.withShadowDoorbells(shadow);
        try (NvmeController controller = drives.attach(QemuDrives.LARGE, options)) {
            assertTrue(controller.data().supportsShadowDoorbells());
            assertEquals(shadow, controller.usesShadowDoorbells());
            NvmeNamespace namespace = controller.namespaces().getFirst();
            try (VerifiedIo io = new VerifiedIo(controller, namespace, 128, 512, 0)) {
                // Often round both rings.
                for (int round = 0; round < 8; round++) {
                    io.write(0, 512, round);
                    io.verify(0, 512, round);
                }
            }
        }
    }

    @Test
    void commandsThatCannotBeAreRefused() {
        try (NvmeController controller = drives.attach(QemuDrives.SMALL);
                DmaBuffer memory = controller.memory().allocate(1 << 20);
                IoQueue queue = controller.openQueue(null)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            Waiting.until("the queue is live", () -> {
                queue.poll(new CompletionBurst(1));
                return queue.isLive();
            });
            assertEquals(32 << 10, queue.maxTransferBytes());
            assertEquals(-Errno.EINVAL, queue.read(namespace, 0, 65, memory.address()));
            assertEquals(-Errno.EINVAL, queue.read(namespace, 0, 0, memory.address()));
            assertEquals(-Errno.EFAULT, queue.read(namespace, 0, 1, memory.address() + 2));
            assertEquals(-Errno.EFAULT, queue.read(namespace, 0, 1, 0));
            assertEquals(0, queue.inFlight());

            Commands commands = new Commands(queue);
            assertEquals(
                    NvmeStatus.LBA_OUT_OF_RANGE,
                    commands.status(() -> queue.read(namespace, namespace.blockCount(), 1, memory.address())));
            assertEquals(
                    NvmeStatus.LBA_OUT_OF_RANGE,
                    commands.status(() -> queue.write(namespace, namespace.blockCount() - 1, 2, memory.address())));
            assertEquals(
                    NvmeStatus.LBA_OUT_OF_RANGE,
                    commands.status(() -> queue.write(namespace, -1, 1, memory.address())));
        }
    }

    @Test
    void noMoreCommandsThanTheDepth() {
        NvmeOptions options = NvmeOptions.DEFAULTS.withQueueDepth(8);
        try (NvmeController controller = drives.attach(QemuDrives.LARGE, options);
                DmaBuffer memory = controller.memory().allocate(4096);
                IoQueue queue = controller.openQueue(null)) {
            NvmeNamespace namespace = controller.namespaces().getFirst();
            Commands commands = new Commands(queue);
            commands.status(() -> queue.flushCache(namespace));
            assumeTrue(queue.depth() == 8);
            for (int i = 0; i < 8; i++) {
                assertTrue(queue.read(namespace, i, 1, memory.address()) >= 0);
            }
            assertEquals(-Errno.EAGAIN, queue.read(namespace, 8, 1, memory.address()));
            queue.flush();
            commands.drain();
            assertTrue(queue.read(namespace, 8, 1, memory.address()) >= 0);
            queue.flush();
            commands.drain();
        }
    }
}
