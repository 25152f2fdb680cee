package io.gatun.bdev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** RAM disks, and the null device beside them. */
class MallocBdevTest {
    private static byte[] random(int bytes) {
        byte[] data = new byte[bytes];
        new Random(1).nextBytes(data);
        return data;
    }

    @Test
    void keepsDataAndForgetsWhatWasDiscarded() {
        try (MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", 8 << 20, 512));
                BdevUser user = new BdevUser(disk)) {
            byte[] data = random(4 << 20);
            assertEquals(0, user.write(512, data, 1));
            assertArrayEquals(data, user.read(512, data.length, 0));
            assertEquals(0, user.run(BdevRequest.DISCARD, 1024, 2 << 20, false));
            Arrays.fill(data, 512, 512 + (2 << 20), (byte) 0);
            assertArrayEquals(data, user.read(512, data.length, 0));
            assertEquals(0, user.run(BdevRequest.FLUSH, 0, 0, false));
            assertEquals(-Errno.EOPNOTSUPP, user.run(17, 0, 512, false));
        }
    }

    /** A terabyte costs nothing until it is written to, and discard gives memory back. */
    @Test
    void isSparse() throws IOException {
        try (MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", 1L << 40, 4096));
                BdevUser user = new BdevUser(disk)) {
            long before = residentBytes();
            byte[] data = random(4 << 20);
            for (int i = 0; i < 16; i++) {
                user.releaseMemory();
                assertEquals(0, user.write((1L << 36) + i * (4L << 20), data, 0));
            }
            long full = residentBytes();
            assertTrue(full - before > 48L << 20, "written memory is resident: " + (full - before));
            assertTrue(full - before < 1L << 30, "and not more than that: " + (full - before));
            assertEquals(0, user.run(BdevRequest.DISCARD, 1L << 36, 64 << 20, false));
            assertTrue(residentBytes() < full - (48L << 20), "discarded memory is given back");
        }
    }

    private static long residentBytes() throws IOException {
        String[] fields = Files.readString(Path.of("/proc/self/statm")).split(" ", -1);
        return Long.parseLong(fields[1]) * 4096;
    }

    @ParameterizedTest
    @CsvSource({"-512, 512", "1048576, 512", "1048064, 1024", "9223372036854775296, 512", "512, -512"})
    void refusesRangesThatAreNotItsOwn(long offset, long length) {
        try (MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", 1 << 20, 512));
                BdevUser user = new BdevUser(disk)) {
            for (int operation = 0; operation <= BdevRequest.WRITE_ZEROES; operation++) {
                assertEquals(-Errno.EINVAL, user.run(operation, offset, length, false));
            }
        }
    }

    @Test
    void itsMemoryLivesAsLongAsItsChannels() {
        int before = Mapping.openCount();
        MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", 1 << 20, 512));
        BdevUser user = new BdevUser(disk);
        disk.close();
        disk.close();
        assertThrows(IllegalStateException.class, () -> disk.openChannel(null));
        assertEquals(0, user.write(0, new byte[512], 0));
        user.channel.close();
        user.close();
        assertEquals(before, Mapping.openCount());
    }

    @ParameterizedTest
    @CsvSource({"0, 512", "1000, 512", "512, 4096", "1048576, 1024", "1048576, 0", "-512, 512"})
    void refusesImpossibleSizes(long capacity, int blockSize) {
        assertThrows(IllegalArgumentException.class, () -> MallocOptions.of("m0", capacity, blockSize));
        assertThrows(IllegalArgumentException.class, () -> NullOptions.of("n0", capacity, blockSize));
    }

    @Test
    void theNullDeviceLeavesBuffersAloneAndCanBeResized() {
        try (NullBdev device = NullBdev.create(NullOptions.of("n0", 1 << 20, 512));
                BdevUser user = new BdevUser(device)) {
            byte[] data = random(4096);
            assertEquals(0, user.write(0, data, 0));
            user.releaseMemory();
            assertArrayEquals(data, user.read(8192, 4096, 0), "what the buffer held before");
            int[] resized = {0};
            Bdev.Registration registration = device.onResize(() -> resized[0]++);
            device.resize(5);
            registration.close();
            device.resize(6);
            assertEquals(1, resized[0]);
            assertEquals(6 * 512, device.capacityBytes());
            assertFalse(device.writeCache());
        }
    }
}
