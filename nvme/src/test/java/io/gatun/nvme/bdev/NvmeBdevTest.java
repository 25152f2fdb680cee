package io.gatun.nvme.bdev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.software.BentController;
import io.gatun.nvme.software.SoftwareOptions;
import io.gatun.reactor.Reactor;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Namespaces as block devices: in place and copied, in one command and many, through resets and to the end. Longer than
 * a file should be: the life of one kind of request after the other, against the same drive.
 */
class NvmeBdevTest {
    private static final SoftwareOptions SMALL = SoftwareOptions.DEFAULTS.withQueues(64, 4).withTransferShift(3);

    @Test
    void saysWhatTheNamespaceIs() {
        try (DriveUser user = new DriveUser(SoftwareOptions.DEFAULTS, DriveUser.QUICK)) {
            NvmeBdev bdev = user.bdev(1);
            assertEquals("nv0n2", bdev.name());
            assertEquals("NVMe disk", bdev.productName());
            assertEquals(4096, bdev.blockSizeBytes());
            assertEquals(DriveUser.BYTES / 4096, bdev.blockCount());
            assertTrue(bdev.writeCache() && !bdev.readOnly());
            for (int operation = BdevRequest.READ; operation <= BdevRequest.WRITE_ZEROES; operation++) {
                assertTrue(bdev.supports(operation));
            }
            assertFalse(bdev.supports(99));
        }
    }

    /** MDTS is 32 KiB here, so most requests take several commands; 48 of them fit the queue. */
    @ParameterizedTest
    @CsvSource({"true, 0, 0", "true, 1, 0", "false, 0, 1", "true, 0, 1", "true, 1, 1"})
    void randomRequestsHoldTheirData(boolean shared, int sgl, int index) {
        long seed = Long.getLong("gatun.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        try (DriveUser user = new DriveUser(SMALL.withSgl(sgl), DriveUser.QUICK)) {
            if (shared) {
                user.share();
            }
            int block = user.bdev(index).blockSizeBytes();
            byte[] model = new byte[1 << 20];
            for (int n = 0; n < 300; n++) {
                int length = block * random.nextInt(1, (256 << 10) / block);
                int offset = block * random.nextInt((model.length - length) / block);
                BdevRequest request = segments(user, random, length, offset);
                byte[] data = new byte[length];
                if (random.nextBoolean()) {
                    request.operation = BdevRequest.WRITE;
                    random.nextBytes(data);
                    copy(request, data, true);
                    assertEquals(0, user.status(index, request), "seed " + seed);
                    System.arraycopy(data, 0, model, offset, length);
                } else {
                    request.operation = BdevRequest.READ;
                    assertEquals(0, user.status(index, request), "seed " + seed);
                    copy(request, data, false);
                    assertArrayEquals(
                            Arrays.copyOfRange(model, offset, offset + length), data, "seed " + seed + ", round " + n);
                }
            }
            if (!shared || sgl == 1) {
                assertEquals(shared, user.bdev(index).bouncedCommands() == 0);
            }
        }
    }

    /** Cuts a request into segments of any multiple of 4 bytes, each in memory of its own. */
    private static BdevRequest segments(DriveUser user, SplittableRandom random, int length, int offset) {
        List<Integer> lengths = new ArrayList<>();
        int left = length;
        while (left > 0) {
            int unit = random.nextInt(3) == 0 ? 4 : 4096;
            int piece = Math.min(left, unit * random.nextInt(1, 9));
            lengths.add(piece);
            left -= piece;
        }
        long[] addresses = new long[lengths.size()];
        long next = user.memory.address();
        for (int i = 0; i < addresses.length; i++) {
            addresses[i] = next + (random.nextInt(3) == 0 ? 4L * random.nextInt(1024) : 0);
            next = (addresses[i] + lengths.get(i) + 4095) & -4096;
        }
        int[] cut = lengths.stream().mapToInt(Integer::intValue).toArray();
        return DriveUser.request(BdevRequest.READ, offset, addresses, cut);
    }

    private static void copy(BdevRequest request, byte[] data, boolean toMemory) {
        int at = 0;
        for (int i = 0; i < request.segmentCount; i++) {
            if (toMemory) {
                Memory.copyFromArray(data, at, request.addresses[i], request.lengths[i]);
            } else {
                Memory.copyToArray(request.addresses[i], data, at, request.lengths[i]);
            }
            at += request.lengths[i];
        }
    }

    @Test
    void aGuestsPagesAreNotCopied() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            long base = user.memory.address();
            long[] pages = {base, base + 8192, base + 4096, base + 65536};
            BdevRequest write = DriveUser.request(BdevRequest.WRITE, 4096, pages, 4096, 4096, 4096, 4096);
            // Segments of whole blocks that are cut within a page take several commands, and no copy.
            long[] cut = {base + 512, base + 9216, base + 20480};
            BdevRequest read = DriveUser.request(BdevRequest.READ, 0, cut, 1024, 512, 4096);
            user.run(0, write, read);
            assertEquals(0, write.status);
            assertEquals(0, read.status);
            assertEquals(0, user.bdev(0).bouncedCommands());
            user.bdev(0).memoryRemoved(base);
            assertEquals(0, user.status(0, write));
            assertEquals(1, user.bdev(0).bouncedCommands(), "not reachable any more");
        }
    }

    @Test
    void rangesAreDiscardedAndZeroed() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            long medium = user.media.getFirst().address(0);
            Memory.fill(medium, DriveUser.BYTES, (byte) 1);
            assertEquals(0, user.status(0, DriveUser.range(BdevRequest.WRITE_ZEROES, 512, 1 << 20)));
            assertEquals(0, user.status(0, DriveUser.range(BdevRequest.DISCARD, 4 << 20, 1 << 20)));
            assertEquals(0, user.status(0, DriveUser.range(BdevRequest.FLUSH, 0, 0)));
            assertEquals(1, Memory.getByte(medium + 511));
            assertEquals(0, Memory.getByte(medium + 512));
            assertEquals(0, Memory.getByte(medium + 511 + (1 << 20)));
            assertEquals(1, Memory.getByte(medium + 512 + (1 << 20)));
            assertEquals(0, Memory.getByte(medium + (5 << 20) - 1));
            assertEquals(1, Memory.getByte(medium + (5 << 20)));
        }
    }

    /** NOIOB and NPWG in the largest blocks that there are make more bytes than an int holds. */
    @Test
    void hugeBoundariesAndGranularitiesDoNotOverflow() {
        try (DriveUser user = new DriveUser(SMALL.withTransferShift(4), DriveUser.QUICK, (what, id, answer) -> {
            if (what == 0 && id == 1) {
                answer.put(24, (byte) (1 << 4)); // NSFEAT: NPWG is there
                answer.putShort(46, (short) 0xffff); // NOIOB
                answer.putShort(64, (short) 0xffff); // NPWG
                answer.putInt(128, 16 << 16); // LBAF 0: blocks of 64 KiB
                answer.putLong(0, 128);
            }
        })) {
            NvmeBdev bdev = user.bdev(0);
            assertEquals(65536, bdev.blockSizeBytes());
            assertEquals(65535L << 16, bdev.boundaryBytes());
            assertEquals(1 << 20, bdev.physicalBlockSizeBytes());
        }
    }

    @Test
    void zeroesAreWrittenInPiecesThatTheControllerTakes() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK, (what, _, answer) -> {
            if (what == 6) {
                answer.put(1, (byte) 1); // WZSL: 8 KiB
            }
        })) {
            Memory.fill(user.media.getFirst().address(0), 64 << 10, (byte) 1);
            assertEquals(0, user.status(0, DriveUser.range(BdevRequest.WRITE_ZEROES, 0, 64 << 10)));
            assertEquals(8, user.model.taken.get(BentController.WRITE_ZEROES));
            assertArrayEquals(new byte[64 << 10], DriveUser.bytes(user.media.getFirst().address(0), 64 << 10));
        }
    }

    @Test
    void whatIsOutOfRangeIsRefused() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            long[] page = {user.memory.address()};
            assertEquals(-Errno.EINVAL, user.status(0, DriveUser.request(0, DriveUser.BYTES - 512, page, 1024)));
            assertEquals(-Errno.EINVAL, user.status(0, DriveUser.request(0, -512, page, 512)));
            assertEquals(-Errno.EINVAL, user.status(1, DriveUser.request(0, 512, page, 4096)));
            assertEquals(-Errno.EINVAL, user.status(0, DriveUser.range(BdevRequest.DISCARD, 0, Long.MAX_VALUE)));
            // The drive would take them for the whole blocks that they begin in.
            for (int operation : new int[] {BdevRequest.DISCARD, BdevRequest.WRITE_ZEROES}) {
                assertEquals(-Errno.EINVAL, user.status(1, DriveUser.range(operation, 512, 4096)));
                assertEquals(-Errno.EINVAL, user.status(1, DriveUser.range(operation, 4096, 4608)));
            }
            assertEquals(-Errno.EOPNOTSUPP, user.status(0, DriveUser.range(99, 0, 512)));
        }
    }

    @Test
    void mediaErrorsReachTheRequestAndOthersGoOn() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            user.model.failingOpcode = BentController.READ;
            user.model.failingStatus = NvmeStatus.UNRECOVERED_READ_ERROR | 1 << 14;
            user.model.failures.set(1);
            long[] memory = {user.memory.address()};
            BdevRequest failing = DriveUser.request(BdevRequest.READ, 0, memory, 256 << 10);
            BdevRequest other = DriveUser.request(BdevRequest.READ, 0, memory, 4096);
            user.run(0, failing, other);
            assertEquals(-Errno.EIO, failing.status);
            assertEquals(0, other.status);
        }
    }

    @Test
    void mediaErrorsShowInTheDrivesLogs() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            user.media.getFirst().spoil(42);
            long[] memory = {user.memory.address()};
            assertEquals(-Errno.EIO, user.status(0, DriveUser.request(BdevRequest.READ, 40 << 9, memory, 4096)));
            assertEquals(0, user.status(0, DriveUser.request(BdevRequest.READ, 43 << 9, memory, 4096)));
            assertEquals(42, user.drive.controller().errors().getFirst().lba());
            assertTrue(user.drive.controller().health().mediaErrors().signum() > 0);
        }
    }

    @Test
    void whatMaySucceedIsTriedAgain() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            user.model.failingOpcode = BentController.READ;
            user.model.failingStatus = NvmeStatus.NAMESPACE_NOT_READY;
            user.model.failures.set(3);
            BdevRequest read = DriveUser.request(BdevRequest.READ, 0, new long[] {user.memory.address()}, 4096);
            assertEquals(0, user.status(0, read));
            user.model.failures.set(1000);
            assertEquals(-Errno.EIO, user.status(0, read), "but not for ever");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void requestsInFlightSurviveAReset(boolean shared) {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            if (shared) {
                user.share();
            }
            BdevRequest first = DriveUser.request(BdevRequest.READ, 0, new long[] {user.memory.address()}, 512);
            assertEquals(0, user.status(0, first));
            user.model.frozen = true;
            List<BdevRequest> pending = new ArrayList<>();
            BdevChannel channel = user.channel(0);
            for (int i = 0; i < 100; i++) {
                long address = user.memory.address() + i * 65536L;
                DriveUser.fill(address, 65536, i);
                BdevRequest write =
                        DriveUser.request(BdevRequest.WRITE, i * 65536L, new long[] {address}, 65536);
                assertEquals(BdevChannel.PENDING, channel.submit(write));
                pending.add(write);
            }
            channel.flush();
            assertEquals(100, channel.inFlight());
            Thread thaw = Thread.ofPlatform().start(() -> {
                while (user.drive.controller().resets() == 0) {
                    Thread.onSpinWait();
                }
                user.model.frozen = false;
            });
            List<BdevRequest> all = List.copyOf(pending);
            user.finish(channel, pending);
            assertFalse(thaw.isAlive());
            all.forEach(request -> assertEquals(0, request.status));
            byte[] expected = DriveUser.bytes(user.memory.address(), 100 * 65536);
            assertArrayEquals(expected, DriveUser.bytes(user.media.getFirst().address(0), 100 * 65536));
            assertEquals(0, channel.inFlight());
        }
    }

    @Test
    void aRemovedDriveFailsItsRequestsAndServesAgainWhenItIsBack() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            BdevRequest read = DriveUser.request(BdevRequest.READ, 0, new long[] {user.memory.address()}, 262144);
            user.model.frozen = true;
            BdevChannel channel = user.channel(0);
            assertEquals(BdevChannel.PENDING, channel.submit(read));
            channel.flush();
            user.model.gone = true;
            user.finish(channel, new ArrayList<>(List.of(read)));
            assertEquals(-Errno.EIO, read.status);
            assertEquals(-Errno.EIO, user.status(0, read), "at once");
            user.model.frozen = false;
            user.model.gone = false;
            long deadline = System.nanoTime() + 10_000_000_000L;
            while (user.status(0, read) != 0) {
                assertTrue(System.nanoTime() - deadline < 0, "it never came back");
            }
        }
    }

    @Test
    void aResizeIsAnnouncedAndAFormatEndsTheDevice() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            NvmeBdev bdev = user.bdev(0);
            AtomicInteger resizes = new AtomicInteger();
            try (var registration = bdev.onResize(resizes::incrementAndGet)) {
                user.media.getFirst().resize(100);
                user.drive.controller().rescan();
                assertEquals(100, bdev.blockCount());
                assertEquals(1, resizes.get());
                assertTrue(registration != null);
            }
            user.drive.controller().format(bdev.namespace(), 1, 0, java.time.Duration.ofSeconds(5));
            assertEquals(1, resizes.get());
            BdevRequest read = DriveUser.request(BdevRequest.READ, 0, new long[] {user.memory.address()}, 512);
            assertEquals(-Errno.EIO, user.status(0, read));
        }
    }

    @Test
    void channelsOfOneReactorShareAQueuePair() {
        int fds = Fd.openCount();
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK);
                Reactor reactor = Reactor.start("nvme-test", -1, Reactor.IdlePolicy.ADAPTIVE)) {
            List<BdevChannel> channels = new ArrayList<>();
            int before = user.drive.controller().openQueueCount();
            reactor.submit(() -> {
                for (int i = 0; i < 4; i++) {
                    channels.add(user.bdev(i % 2).openChannel(reactor));
                    reactor.watch(channels.get(i).wakeFd());
                }
            }).join();
            assertEquals(before + 1, user.drive.controller().openQueueCount());
            AtomicInteger served = new AtomicInteger();
            reactor.submit(() -> {
                BdevRequest[] done = new BdevRequest[4];
                for (int i = 0; i < 4; i++) {
                    BdevRequest read = DriveUser.request(0, 0, new long[] {user.memory.address()}, 4096);
                    read.tag = i;
                    assertEquals(BdevChannel.PENDING, channels.get(i).submit(read));
                }
                channels.getFirst().flush();
                long deadline = System.nanoTime() + 10_000_000_000L;
                while (served.get() < 4 && System.nanoTime() - deadline < 0) {
                    for (int i = 0; i < 4; i++) {
                        int count = channels.get(i).poll(done);
                        for (int j = 0; j < count; j++) {
                            assertEquals(i, done[j].tag, "each gets its own");
                            assertEquals(0, done[j].status);
                        }
                        served.addAndGet(count);
                    }
                }
            }).join();
            assertEquals(4, served.get());
            reactor.submit(() -> channels.forEach(channel -> {
                reactor.unwatch(channel.wakeFd());
                channel.close();
            })).join();
        }
        assertEquals(fds, Fd.openCount());
    }

    @Test
    void nothingIsLeftBehindAndNothingOpensAfterTheEnd() {
        int before = Mapping.openCount();
        NvmeBdev bdev;
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            bdev = user.bdev(0);
        }
        assertEquals(before, Mapping.openCount());
        assertThrows(IllegalStateException.class, () -> bdev.openChannel(null));
    }

    @Test
    void nothingIsAllocatedForARequest() {
        try (DriveUser user = new DriveUser(SMALL, DriveUser.QUICK)) {
            user.share();
            BdevRequest[] requests = new BdevRequest[16];
            for (int i = 0; i < requests.length; i++) {
                long address = user.memory.address() + i * 131072L;
                int operation = i % 4 == 0 ? BdevRequest.WRITE : BdevRequest.READ;
                // One command, several commands, and copied ones.
                int length = i % 3 == 0 ? 4096 : 65536;
                long[] addresses = {address, address + 65540 + (i % 2 == 0 ? 4 : 0)};
                requests[i] = DriveUser.request(operation, i * 65536L, addresses, length, 512);
            }
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            BdevRequest[] done = new BdevRequest[16];
            long deadline = System.nanoTime() + 20_000_000_000L;
            long allocated;
            do {
                long before = threads.getCurrentThreadAllocatedBytes();
                bursts(user.channel(0), requests, done);
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            } while (allocated != 0 && System.nanoTime() < deadline);
            assertEquals(0, allocated);
        }
    }

    private static void bursts(BdevChannel channel, BdevRequest[] requests, BdevRequest[] done) {
        for (int n = 0; n < 200; n++) {
            for (BdevRequest request : requests) {
                if (channel.submit(request) != BdevChannel.PENDING) {
                    throw new IllegalStateException("not pending");
                }
            }
            channel.flush();
            for (int served = 0; served < requests.length; ) {
                int count = channel.poll(done);
                for (int i = 0; i < count; i++) {
                    if (done[i].status != 0) {
                        throw new IllegalStateException("status " + done[i].status);
                    }
                }
                served += count;
            }
        }
    }
}
