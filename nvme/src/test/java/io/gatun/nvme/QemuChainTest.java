package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.linux.Memory;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.reactor.Reactor;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.PhysicalSpace;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserBackend;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.VirtioFeatures;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole chain: QEMU's NVMe model, the driver, virtio-blk, a vhost-user socket, a front-end that looks at bytes. */
@RequiresPeer(Peer.QEMU)
class QemuChainTest {
    private static final int PAGE = 4096;
    private static final int REQUESTS = 16;
    private static final long FEATURES = VirtioFeatures.VERSION_1 | VirtioBlk.F_FLUSH;

    @TempDir
    Path directory;

    @Test
    void whatTheClientWritesIsOnTheDrive() {
        try (QemuDrives drives = QemuDrives.start();
                NvmeDrive drive = new NvmeDrive("nv0", drives.attach(QemuDrives.LARGE));
                Client client = new Client(drive)) {
            for (int pages : new int[] {1, 2, 48}) {
                byte[][] written = new byte[REQUESTS][pages * PAGE];
                for (int i = 0; i < REQUESTS; i++) {
                    VerifiedIo.fill(written[i], (long) i * pages * PAGE, pages);
                    client.fill(i, written[i]);
                    client.start(i, VirtioBlk.T_OUT, (long) i * pages * PAGE, pages);
                }
                client.finish(REQUESTS, VirtioBlk.S_OK);
                client.start(0, VirtioBlk.T_FLUSH, 0, 0);
                client.finish(1, VirtioBlk.S_OK);
                client.clear();
                for (int i = 0; i < REQUESTS; i++) {
                    client.start(i, VirtioBlk.T_IN, (long) i * pages * PAGE, pages);
                }
                client.finish(REQUESTS, VirtioBlk.S_OK);
                for (int i = 0; i < REQUESTS; i++) {
                    assertArrayEquals(written[i], client.content(i, pages), "request " + i);
                }
                // And by the driver alone, so that nothing in between can have kept it.
                NvmeController controller = drive.controller();
                NvmeNamespace namespace = controller.namespaces().getFirst();
                try (VerifiedIo io = new VerifiedIo(controller, namespace, 4, PAGE, 0)) {
                    io.verify(0, REQUESTS * pages, pages);
                }
            }
            long bounced = drive.bdevs().getFirst().bouncedCommands();
            if (QemuDrives.inGuest()) {
                assertEquals(0, bounced, "the drive reaches the client's pages");
            } else {
                assertTrue(bounced > 0, "this machine's drive does not reach the client's memory");
            }
        }
    }

    @Test
    void badBlocksAreIoErrorsOfTheClientAndInTheHostsErrorLog() {
        assumeFalse(QemuDrives.inGuest(), "the guest's drives are good");
        NvmeModel model = NvmeModel.of("bad")
                .with(NvmeDisk.ofMegabytes(16)
                        .withFault(NvmeDisk.Access.READ, 64)
                        .withFault(NvmeDisk.Access.WRITE, 128));
        try (QtestMachine machine = QtestMachine.builder().controller(model).start();
                NvmeDrive drive = new NvmeDrive(
                        "bad", NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS));
                Client client = new Client(drive)) {
            HostErrorLog errors = drive.controller().hostErrors();
            for (int i = 0; i < 3; i++) {
                client.start(0, VirtioBlk.T_IN, 64 * 512, 1);
                client.finish(1, VirtioBlk.S_IOERR);
                client.start(0, VirtioBlk.T_OUT, 128 * 512, 1);
                client.finish(1, VirtioBlk.S_IOERR);
                client.start(0, VirtioBlk.T_OUT, 64 * 512, 1);
                client.start(1, VirtioBlk.T_IN, 128 * 512, 1);
                client.finish(2, VirtioBlk.S_OK);
                List<HostError> newest = errors.entries();
                assertNoted(newest.get(0), "write", NvmeStatus.WRITE_FAULT, 128);
                assertNoted(newest.get(1), "read", NvmeStatus.UNRECOVERED_READ_ERROR, 64);
            }
            assertEquals(
                    List.of(
                            new HostErrorLog.Count(1, NvmeStatus.WRITE_FAULT, 3),
                            new HostErrorLog.Count(1, NvmeStatus.UNRECOVERED_READ_ERROR, 3)),
                    errors.counts());
            assertEquals(6, errors.mediaErrorCount());
            // What it is for: this model's own logs keep silent.
            assertEquals(0, drive.controller().health().mediaErrors().signum());
            assertEquals(List.of(), drive.controller().errors());
            assertEquals(0, drive.controller().resets());
        }
    }

    private static void assertNoted(HostError error, String operation, int status, long lba) {
        assertEquals(operation, error.operation());
        assertEquals(status, NvmeStatus.code(error.status()));
        assertEquals(1, error.namespaceId());
        assertEquals(lba, error.lba());
        assertEquals(PAGE / 512, error.blocks());
    }

    /** A server of the drive's first namespace, and a front-end with one queue. */
    private final class Client implements AutoCloseable {
        private static final int MOST_PAGES = 48;

        private final Reactor reactor = Reactor.start("chain", -1, Reactor.IdlePolicy.ADAPTIVE);
        private final ControlLoop loop = ControlLoop.start();
        private final SharedMemory memory;
        private final long headers;
        private final long statuses;
        private final long data;
        private final VhostUserBackend backend;
        private final VhostUserFrontend frontend;
        private final FrontendQueue queue;

        Client(NvmeDrive drive) {
            // Without an IOMMU only hugepages stay where they are.
            memory = drive.controller().memory() instanceof PhysicalSpace
                    ? SharedMemory.ofHugepages(0x1_0000_0000L, 16 << 20)
                    : SharedMemory.ofPages(0x1_0000_0000L, 16 << 20);
            headers = memory.allocate(PAGE, PAGE);
            statuses = memory.allocate(PAGE, PAGE);
            data = memory.allocate((long) REQUESTS * MOST_PAGES * 2 * PAGE, PAGE);
            Path socket = directory.resolve("nv0.sock");
            VirtioBlkDevice device = new VirtioBlkDevice(drive.bdevs().getFirst(), VirtioBlkOptions.DEFAULTS);
            backend = VhostUserBackend.listen(loop, socket, device, List.of(reactor), BackendOptions.DEFAULT);
            frontend = VhostUserFrontend.connect(socket, Duration.ofSeconds(10));
            frontend.negotiate(FEATURES);
            frontend.shareMemory(memory);
            queue = frontend.startQueue(0, 1024);
            frontend.setEnabled(0, true);
        }

        /** Pages of a request are apart from each other. */
        private long page(int request, int page) {
            return data + ((long) request * MOST_PAGES + page) * 2 * PAGE;
        }

        void fill(int request, byte[] content) {
            for (int i = 0; i < content.length / PAGE; i++) {
                Memory.copyFromArray(content, i * PAGE, page(request, i), PAGE);
            }
        }

        byte[] content(int request, int pages) {
            byte[] content = new byte[pages * PAGE];
            for (int i = 0; i < pages; i++) {
                Memory.copyToArray(page(request, i), content, i * PAGE, PAGE);
            }
            return content;
        }

        void clear() {
            Memory.fill(data, (long) REQUESTS * MOST_PAGES * 2 * PAGE, (byte) 0);
        }

        void start(int request, int type, long offset, int pages) {
            long header = headers + (long) request * VirtioBlk.HEADER_BYTES;
            Memory.putLong(header, type);
            Memory.putLong(header + VirtioBlk.HEADER_SECTOR, offset >>> 9);
            Memory.putByte(statuses + request, (byte) 99);
            long[] addresses = new long[pages + 2];
            int[] lengths = new int[pages + 2];
            addresses[0] = memory.toGuest(header);
            lengths[0] = VirtioBlk.HEADER_BYTES;
            for (int i = 0; i < pages; i++) {
                addresses[1 + i] = memory.toGuest(page(request, i));
                lengths[1 + i] = PAGE;
            }
            addresses[pages + 1] = memory.toGuest(statuses + request);
            lengths[pages + 1] = 1;
            int readable = type == VirtioBlk.T_OUT ? pages + 1 : 1;
            int id = queue.driver().add(addresses, lengths, 0, readable, pages + 2 - readable);
            assertTrue(id >= 0, "the ring is full");
        }

        void finish(int requests, int status) {
            if (queue.driver().publishAvailable()) {
                queue.kick();
            }
            int[] done = {0};
            Waiting.until("requests complete", () -> {
                while (queue.driver().popUsed() >= 0) {
                    done[0]++;
                }
                return done[0] == requests;
            });
            for (int i = 0; i < requests; i++) {
                assertEquals(status, Memory.getByte(statuses + i), "status of request " + i);
            }
        }

        @Override
        public void close() {
            frontend.releaseQueue(queue);
            queue.close();
            frontend.close();
            backend.close();
            loop.close();
            reactor.close();
            memory.close();
        }
    }
}
