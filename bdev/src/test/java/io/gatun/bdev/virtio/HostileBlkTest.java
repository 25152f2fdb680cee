package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.linux.Memory;
import io.gatun.testkit.Fuzz;
import java.util.Arrays;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a guest must not do: every request is answered with a status or breaks its own queue, and the disk is unharmed.
 */
class HostileBlkTest {
    private static final int DISK_BYTES = 1 << 20;
    private static final int SECTORS = DISK_BYTES / 512;
    private static final byte[] NONE = {};

    private MallocBdev disk;
    private BlkGuest guest;
    private byte[] content;

    @BeforeEach
    void fill() {
        disk = MallocBdev.create(MallocOptions.of("m0", DISK_BYTES, 4096));
        guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, false);
        content = VirtioBlkQueueTest.random(DISK_BYTES, 6);
        assertEquals(VirtioBlk.S_OK, guest.write(0, content).status());
        guest.releaseBuffers();
    }

    @AfterEach
    void close() {
        guest.close();
        disk.close();
    }

    private void expect(byte status, BlkGuest.Answer answer) {
        assertEquals(status, answer.status());
        assertEquals(answer.data().length == 0 ? 1 : 0, answer.usedLength(), "unwritten data is not claimed");
        assertEquals(1, guest.device.counters().getFirst().refused());
        guest.releaseBuffers();
        assertArrayEquals(content, guest.read(0, DISK_BYTES).data(), "the disk is unharmed and the queue works");
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0, 511", "0, 513", "0, 512", "1, 4096", "2048, 4096", "2047, 4096", "2040, 8192"})
    void refusesReadsThatAreNotWholeBlocksOfTheDisk(long sector, int bytes) {
        expect(VirtioBlk.S_IOERR, guest.read(sector, bytes));
    }

    @ParameterizedTest
    @ValueSource(longs = {SECTORS, 1L << 55, (1L << 55) - 8, 1L << 60, Long.MAX_VALUE, Long.MIN_VALUE, -8, -1})
    void refusesSectorsWhoseOffsetOverflows(long sector) {
        expect(VirtioBlk.S_IOERR, guest.write(sector, new byte[4096]));
    }

    @Test
    void refusesWritesWithoutData() {
        expect(VirtioBlk.S_IOERR, guest.write(0, NONE));
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 10, 14, 15, 24, 1 << 20, 1 << 31, -1})
    void refusesUnknownTypes(int type) {
        expect(VirtioBlk.S_UNSUPP, guest.run(type, 0, new byte[4096], 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 8, 15})
    void refusesATruncatedHeader(int bytes) {
        long header = guest.header(VirtioBlk.T_IN, 0);
        long status = guest.allocate(new byte[] {(byte) 0xee});
        guest.add(new long[] {header, status}, new int[] {bytes, 1}, 1);
        guest.handler.poll(1);
        assertTrue(guest.driver.popUsed() >= 0);
        assertEquals(VirtioBlk.S_IOERR, Memory.getByte(guest.host(status)));
        assertEquals(1, guest.driver.usedLength());
    }

    @Test
    void refusesARequestThatNamesTheSamePagesOverAndOver() {
        int segments = 60;
        long[] addresses = new long[segments + 2];
        int[] lengths = new int[segments + 2];
        Arrays.fill(addresses, guest.allocate(3 << 20));
        Arrays.fill(lengths, 3 << 20);
        long status = guest.allocate(new byte[] {(byte) 0xee});
        addresses[0] = guest.header(VirtioBlk.T_IN, 0);
        lengths[0] = 16;
        addresses[segments + 1] = status;
        lengths[segments + 1] = 1;
        guest.add(addresses, lengths, 1);
        guest.handler.poll(1);
        assertTrue(guest.driver.popUsed() >= 0);
        assertEquals(VirtioBlk.S_IOERR, Memory.getByte(guest.host(status)));
        assertEquals(1, guest.device.counters().getFirst().refused());
    }

    @Test
    void refusesARequestWithoutAHeader() {
        long in = guest.allocate(4097);
        guest.add(new long[] {in}, new int[] {4097}, 0);
        guest.handler.poll(1);
        assertTrue(guest.driver.popUsed() >= 0);
        assertEquals(VirtioBlk.S_IOERR, Memory.getByte(guest.host(in) + 4096));
        assertEquals(0, guest.driver.usedLength());
    }

    @Test
    void breaksTheQueueWhereThereIsNoRoomForAStatus() {
        long header = guest.header(VirtioBlk.T_OUT, 0);
        guest.add(new long[] {header, guest.allocate(4096)}, new int[] {16, 4096}, 2);
        guest.handler.poll(1);
        assertTrue(guest.queue.isBroken());
        assertTrue(guest.queue.brokenReason().contains("status"), guest.queue.brokenReason());
        assertEquals(0, guest.handler.inFlight());
        assertEquals(-1, guest.driver.popUsed());
    }

    @Test
    void readsDespiteReadableDataAndWritesDespiteWritableData() {
        BlkGuest.Answer read = guest.run(VirtioBlk.T_IN, 8, new byte[100], 4096);
        assertEquals(VirtioBlk.S_OK, read.status());
        assertArrayEquals(java.util.Arrays.copyOfRange(content, 4096, 8192), read.data());
        BlkGuest.Answer write = guest.run(VirtioBlk.T_OUT, 0, java.util.Arrays.copyOf(content, 4096), 100);
        assertEquals(VirtioBlk.S_OK, write.status());
        assertEquals(0, write.usedLength(), "the status lies behind 100 bytes that nobody wrote");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 19, 20, 21, 512})
    void identityFitsAnyBuffer(int bytes) {
        BlkGuest.Answer answer = guest.run(VirtioBlk.T_GET_ID, 0, NONE, bytes);
        assertEquals(VirtioBlk.S_OK, answer.status());
        assertEquals('g', answer.data()[0]);
        assertEquals(bytes + 1, answer.usedLength());
    }

    @Test
    void refusesAnIdentityOfNoBytesOrOfMegabytes() {
        expect(VirtioBlk.S_IOERR, guest.run(VirtioBlk.T_GET_ID, 0, NONE, 0));
        assertEquals(VirtioBlk.S_IOERR, guest.run(VirtioBlk.T_GET_ID, 0, NONE, 1 << 20).status());
    }

    @ParameterizedTest
    @CsvSource({
        "11, 0, 0, 1, 2", // discard with unmap
        "11, 0, 8, 2, 2", // unknown flag
        "11, 0, 8, -1, 2",
        "13, 0, 8, 2, 2",
        "13, 0, 8, -2147483648, 2",
        "11, 1, 8, 0, 1", // not whole blocks
        "11, 0, 7, 0, 1",
        "13, 2048, 8, 0, 1", // beyond the end
        "13, 2040, 16, 0, 1",
        "11, -8, 16, 0, 1", // sum overflows
        "11, 9223372036854775800, 16, 0, 1",
        "11, 0, -8, 0, 1", // 2^32 - 8 sectors
        "13, 0, 131080, 0, 1" // more than max_write_zeroes_sectors
    })
    void refusesBadRanges(int type, long sector, long sectors, int flags, byte status) {
        byte[] good = BlkGuest.ranges(0, 8, 0);
        byte[] bad = BlkGuest.ranges(sector, sectors, flags);
        byte[] both = java.util.Arrays.copyOf(good, 32);
        System.arraycopy(bad, 0, both, 16, 16);
        // A good range before the bad one is not carried out either.
        expect(status, guest.run(type, 0, both, 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, 17, 33 * 16, 4096})
    void refusesRangesOfTheWrongSize(int bytes) {
        expect(VirtioBlk.S_IOERR, guest.run(VirtioBlk.T_DISCARD, 0, new byte[bytes], 0));
    }

    @Test
    void refusesEveryKindOfWriteToAReadOnlyDisk() {
        guest.close();
        guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS.withReadOnly(true), true);
        assertEquals(VirtioBlk.S_IOERR, guest.write(0, new byte[4096]).status());
        assertEquals(VirtioBlk.S_IOERR, guest.run(VirtioBlk.T_DISCARD, 0, BlkGuest.ranges(0, 8, 0), 0).status());
        assertEquals(
                VirtioBlk.S_IOERR, guest.run(VirtioBlk.T_WRITE_ZEROES, 0, BlkGuest.ranges(0, 8, 0), 0).status());
        assertArrayEquals(content, guest.read(0, DISK_BYTES).data());
    }

    /** A header that changes while it is being read is seen in one state or the other, and checked in that state. */
    @Test
    void aHeaderThatChangesMeanwhileDoesNoHarm() throws InterruptedException {
        long header = guest.header(VirtioBlk.T_IN, 0);
        long in = guest.allocate(4096);
        long status = guest.allocate(1);
        boolean[] stop = {false};
        Thread mutator = Thread.ofPlatform().start(() -> {
            Random random = new Random(7);
            while (!stopped(stop)) {
                Memory.putLong(guest.host(header) + 8, random.nextBoolean() ? 8 * random.nextLong() : 8);
                Memory.putInt(guest.host(header), random.nextBoolean() ? VirtioBlk.T_IN : random.nextInt());
            }
        });
        for (int i = 0; i < 20_000; i++) {
            guest.add(new long[] {header, in, status}, new int[] {16, 4096, 1}, 1);
            guest.handler.poll(1);
            assertTrue(guest.driver.popUsed() >= 0);
        }
        synchronized (stop) {
            stop[0] = true;
        }
        mutator.join();
        guest.releaseBuffers();
        assertArrayEquals(content, guest.read(0, DISK_BYTES).data());
    }

    private static boolean stopped(boolean[] stop) {
        synchronized (stop) {
            return stop[0];
        }
    }

    @Test
    void randomRequestsDoNoHarm() {
        Fuzz.rounds(this::randomRequests);
        assertArrayEquals(content, guest.read(0, DISK_BYTES).data());
    }

    @Tag("fuzz")
    @FuzzTest
    void fuzzRequests(byte[] input) {
        randomRequests(Fuzz.choices(input));
    }

    /** A guest of its own on the same disk, so that a round depends on nothing but its choices. */
    private void randomRequests(RandomGenerator random) {
        try (BlkGuest other = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, random.nextBoolean())) {
            for (int i = 0; i < 16 && !other.queue.isBroken(); i++) {
                other.releaseBuffers();
                int id = addRandomRequest(other, random);
                other.handler.poll(2);
                assertEquals(0, other.handler.inFlight());
                assertTrue(other.queue.isBroken() || other.driver.popUsed() == id, "answered, unless the queue broke");
            }
        }
    }

    /** A header that may be cut anywhere, and segments of any kind behind it; nothing that writes to the disk. */
    private static int addRandomRequest(BlkGuest other, RandomGenerator random) {
        int type = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(16);
        if (type == VirtioBlk.T_OUT || type == VirtioBlk.T_DISCARD || type == VirtioBlk.T_WRITE_ZEROES) {
            type = VirtioBlk.T_IN;
        }
        long header = other.header(type, random.nextBoolean() ? random.nextLong() : random.nextInt(SECTORS));
        int segments = random.nextInt(1, 8);
        int readable = random.nextInt(segments + 1);
        long[] addresses = new long[segments];
        int[] lengths = new int[segments];
        int headerLeft = 16;
        for (int i = 0; i < segments; i++) {
            boolean inHeader = headerLeft > 0 && i < readable;
            int most = inHeader ? headerLeft : 4096;
            lengths[i] = random.nextInt(3) != 0 ? most : random.nextInt(most) + 1;
            addresses[i] = inHeader ? header + 16 - headerLeft : other.allocate(lengths[i]);
            headerLeft -= inHeader ? lengths[i] : 0;
        }
        if (random.nextInt(3) != 0) {
            lengths[segments - 1] = 1;
        }
        return other.add(addresses, lengths, readable);
    }
}
