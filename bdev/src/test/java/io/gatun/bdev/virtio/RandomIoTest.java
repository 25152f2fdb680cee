package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.FileBdev;
import io.gatun.bdev.FileOptions;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A disk behaves as an array of bytes does, whatever comes in whatever order. */
class RandomIoTest {
    private static final int DISK_BYTES = 2 << 20;

    @TempDir
    Path directory;

    private final byte[] model = new byte[DISK_BYTES];

    /** What a read in flight must bring. */
    private record Expected(int from, int length) {}

    @ParameterizedTest
    @CsvSource({
        "malloc, 512, false",
        "malloc, 4096, true",
        "buffered, 512, false",
        "buffered, 4096, true",
        "direct, 4096, false",
        "blocking, 512, true"
    })
    void behavesLikeAnArrayOfBytes(String kind, int blockSize, boolean packed) throws IOException {
        long seed = Long.getLong("gatun.seed", System.nanoTime());
        System.out.println("RandomIoTest " + kind + " seed " + seed);
        Random random = new Random(seed);
        try (Bdev disk = disk(kind, blockSize);
                BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, packed)) {
            // Files take their time to become durable.
            int rounds = kind.equals("malloc") ? 400 : 60;
            for (int round = 0; round < rounds; round++) {
                if (round % 20 == 19) {
                    byte[] writeback = {(byte) random.nextInt(2)};
                    assertEquals(0, guest.device.writeConfig(VirtioBlk.CONFIG_WRITEBACK, writeback, false));
                }
                batch(guest, random, blockSize);
                guest.releaseBuffers();
            }
            assertArrayEquals(model, guest.read(0, DISK_BYTES).data());
        }
    }

    /** Some requests at once, on parts of the disk that do not overlap. */
    private void batch(BlkGuest guest, Random random, int blockSize) {
        int count = 1 + random.nextInt(12);
        int share = DISK_BYTES / blockSize / count;
        Map<Integer, Expected> reads = new HashMap<>();
        for (int i = 0; i < count; i++) {
            int blocks = 1 + random.nextInt(Math.min(share, (64 << 10) / blockSize));
            int from = (i * share + random.nextInt(share - blocks + 1)) * blockSize;
            int length = blocks * blockSize;
            int id = request(guest, random, from, length);
            if (id >= 0) {
                reads.put(id, new Expected(from, length));
            }
        }
        for (int i = 0; i < count; i++) {
            BlkGuest.Answer answer = guest.await();
            assertEquals(VirtioBlk.S_OK, answer.status());
            Expected expected = reads.get(answer.id());
            if (expected != null) {
                byte[] part = Arrays.copyOfRange(model, expected.from, expected.from + expected.length);
                assertArrayEquals(part, answer.data());
            }
        }
    }

    /** Adds a request and changes the model; the id if it reads, otherwise -1. */
    private int request(BlkGuest guest, Random random, int from, int length) {
        byte[] range = BlkGuest.ranges(from / 512, length / 512, random.nextInt(2));
        switch (random.nextInt(8)) {
            case 0 -> guest.add(VirtioBlk.T_FLUSH, 0, new byte[0], 0);
            case 1 -> {
                guest.add(VirtioBlk.T_WRITE_ZEROES, 0, range, 0);
                Arrays.fill(model, from, from + length, (byte) 0);
            }
            case 2, 3, 4 -> {
                byte[] data = new byte[length];
                random.nextBytes(data);
                guest.add(VirtioBlk.T_OUT, from / 512, data, 0);
                System.arraycopy(data, 0, model, from, length);
            }
            default -> {
                return guest.add(VirtioBlk.T_IN, from / 512, new byte[0], length);
            }
        }
        return -1;
    }

    private Bdev disk(String kind, int blockSize) throws IOException {
        if (kind.equals("malloc")) {
            return MallocBdev.create(MallocOptions.of("m0", DISK_BYTES, blockSize));
        }
        Path path = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(DISK_BYTES);
        }
        FileOptions options =
                FileOptions.of("f0", path).withBlockSizeBytes(blockSize).withDirect(kind.equals("direct"));
        return kind.equals("blocking") ? FileBdev.openBlocking(options) : FileBdev.open(options);
    }
}
