package io.gatun.nvme.bdev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.linux.Memory;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.reactor.Reactor;
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
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The whole way: front-end, socket, virtio-blk, NVMe driver, controller; the guest's pages are not copied. */
@Timeout(60)
class VirtioNvmeTest {
    private static final int PAGE = 4096;
    private static final int REQUESTS = 16;
    private static final int DATA_PAGES = 48;
    private static final long FEATURES =
            VirtioFeatures.VERSION_1 | VirtioBlk.F_FLUSH | VirtioBlk.F_CONFIG_WCE | VirtioBlk.F_MQ;

    private final DriveUser user = new DriveUser(SoftwareOptions.DEFAULTS, DriveUser.QUICK);
    private final List<Reactor> reactors = List.of(
            Reactor.start("nvme-0", -1, Reactor.IdlePolicy.ADAPTIVE),
            Reactor.start("nvme-1", -1, Reactor.IdlePolicy.ADAPTIVE));
    private final ControlLoop loop = ControlLoop.start();
    private final SharedMemory memory = SharedMemory.ofPages(0x1_0000_0000L, 32 << 20);
    private final long idleBytes = user.drive.controller().memory().mappedBytes();
    private VhostUserBackend backend;
    private VhostUserFrontend frontend;
    private Guest[] guests;

    @TempDir
    Path directory;

    @BeforeEach
    void connect() {
        Path socket = directory.resolve("nv0.sock");
        VirtioBlkDevice device = new VirtioBlkDevice(user.bdev(0), VirtioBlkOptions.DEFAULTS.withQueues(2));
        backend = VhostUserBackend.listen(loop, socket, device, reactors, BackendOptions.DEFAULT);
        frontend = VhostUserFrontend.connect(socket, Duration.ofSeconds(5));
        frontend.negotiate(FEATURES);
        frontend.shareMemory(memory);
        guests = new Guest[] {new Guest(0), new Guest(1)};
    }

    @AfterEach
    void disconnect() {
        for (Guest guest : guests) {
            frontend.releaseQueue(guest.queue);
            guest.queue.close();
        }
        frontend.close();
        backend.close();
        loop.close();
        reactors.forEach(Reactor::close);
        memory.close();
        user.close();
    }

    /** One queue of the guest: requests of up to {@value #DATA_PAGES} pages, each page on its own. */
    private final class Guest {
        final FrontendQueue queue;
        final long headers = memory.allocate(PAGE, PAGE);
        final long statuses = memory.allocate(PAGE, PAGE);
        final long data = memory.allocate((long) REQUESTS * DATA_PAGES * 2 * PAGE, PAGE);

        Guest(int index) {
            queue = frontend.startQueue(index, 1024);
            frontend.setEnabled(index, true);
        }

        /** The address of a page of a request's data; neighbouring pages are apart. */
        long page(int request, int page) {
            return data + ((long) request * DATA_PAGES + page) * 2 * PAGE;
        }

        void start(int request, int type, long offset, int pages) {
            long header = headers + request * 16L;
            Memory.putInt(header, type);
            Memory.putInt(header + 4, 0);
            Memory.putLong(header + 8, offset >>> 9);
            Memory.putByte(statuses + request, (byte) 99);
            long[] addresses = new long[pages + 2];
            int[] lengths = new int[pages + 2];
            addresses[0] = memory.toGuest(header);
            lengths[0] = 16;
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

        void finish(int requests) {
            if (queue.driver().publishAvailable()) {
                queue.kick();
            }
            int[] done = {0};
            await("completions", () -> {
                while (queue.driver().popUsed() >= 0) {
                    done[0]++;
                }
                return done[0] == requests;
            });
            for (int i = 0; i < requests; i++) {
                assertEquals(VirtioBlk.S_OK, Memory.getByte(statuses + i), "request " + i);
            }
        }
    }

    private static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - deadline < 0, "waited in vain: " + what);
            Thread.onSpinWait();
        }
    }

    /** Writes and reads back 192 KiB at a time, in pages that are apart: over several commands each. */
    private void exchange(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (Guest guest : guests) {
            byte[][] written = new byte[REQUESTS][];
            for (int i = 0; i < REQUESTS; i++) {
                written[i] = new byte[DATA_PAGES * PAGE];
                random.nextBytes(written[i]);
                for (int p = 0; p < DATA_PAGES; p++) {
                    Memory.copyFromArray(written[i], p * PAGE, guest.page(i, p), PAGE);
                }
                guest.start(i, VirtioBlk.T_OUT, (long) i * DATA_PAGES * PAGE, DATA_PAGES);
            }
            guest.finish(REQUESTS);
            Memory.fill(guest.data, (long) REQUESTS * DATA_PAGES * 2 * PAGE, (byte) 0);
            for (int i = 0; i < REQUESTS; i++) {
                guest.start(i, VirtioBlk.T_IN, (long) i * DATA_PAGES * PAGE, DATA_PAGES);
            }
            guest.start(REQUESTS, VirtioBlk.T_FLUSH, 0, 0);
            guest.finish(REQUESTS + 1);
            for (int i = 0; i < REQUESTS; i++) {
                byte[] read = new byte[DATA_PAGES * PAGE];
                for (int p = 0; p < DATA_PAGES; p++) {
                    Memory.copyToArray(guest.page(i, p), read, p * PAGE, PAGE);
                }
                assertArrayEquals(written[i], read, "request " + i);
            }
        }
    }

    @Test
    void theDriveReadsAndWritesTheGuestsPagesItself() {
        exchange(1);
        assertEquals(0, user.bdev(0).bouncedCommands());
    }

    @Test
    void theGuestsMemoryIsTakenFromTheDriveWhenTheFrontEndGoes() {
        exchange(2);
        assertTrue(user.drive.controller().memory().mappedBytes() >= idleBytes + (32 << 20));
        frontend.close();
        await("it is taken", () -> user.drive.controller().memory().mappedBytes() < idleBytes + (32 << 20));
        await("its queue pairs are given back", () -> user.drive.controller().openQueueCount() == 2);
    }

    @Test
    void aControllerThatHangsCostsTheGuestTimeAndNothingElse() {
        exchange(3);
        user.model.frozen = true;
        Thread thaw = Thread.ofPlatform().start(() -> {
            while (user.drive.controller().resets() == 0) {
                Thread.onSpinWait();
            }
            user.model.frozen = false;
        });
        exchange(4);
        await("a reset", () -> !thaw.isAlive());
        exchange(5);
        assertEquals(0, user.bdev(0).bouncedCommands());
    }

    @Test
    void anIdleGuestDoesNotHoldUpAReset() {
        exchange(6);
        long before = System.nanoTime();
        for (int i = 1; i <= 20; i++) {
            int wanted = i;
            user.drive.controller().reset();
            await("reset " + i, () -> {
                // The test's own channels are polled here.
                int ignored = user.channel(0).poll(new io.gatun.bdev.BdevRequest[1])
                        + user.channel(1).poll(new io.gatun.bdev.BdevRequest[1]);
                return user.drive.controller().resets() == wanted;
            });
        }
        assertTrue(System.nanoTime() - before < 10_000_000_000L, "each waited for a queue that nobody polls");
        exchange(7);
    }
}
