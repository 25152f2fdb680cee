package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import io.gatun.bdev.Bdev;
import io.gatun.bdev.FileBdev;
import io.gatun.bdev.FileOptions;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.bdev.NullBdev;
import io.gatun.bdev.NullOptions;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** No object is made for a request, by device or driver, on any ring or medium. */
class ZeroAllocationTest {
    private static final int BURST = 16;
    private static final int BURSTS = 2_000;

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({"null, false", "null, true", "malloc, false", "malloc, true", "file, false", "file, true"})
    void servesWithoutAllocating(String kind, boolean packed) throws IOException {
        try (Bdev disk = disk(kind);
                BlkGuest guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS, packed)) {
            long[] addresses = new long[BURST * 3];
            int[] lengths = new int[BURST * 3];
            for (int i = 0; i < BURST; i++) {
                boolean write = i % 4 == 0;
                addresses[i * 3] = guest.header(write ? VirtioBlk.T_OUT : VirtioBlk.T_IN, i * 8L);
                addresses[i * 3 + 1] = guest.allocate(4096);
                addresses[i * 3 + 2] = guest.allocate(1);
                lengths[i * 3] = 16;
                lengths[i * 3 + 1] = 4096;
                lengths[i * 3 + 2] = 1;
            }
            // Code that is not compiled yet allocates, a native call above all: so this waits for a measurement of
            // zero.
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long deadline = System.nanoTime() + 20_000_000_000L;
            long allocated;
            do {
                long before = threads.getCurrentThreadAllocatedBytes();
                burst(guest, addresses, lengths, BURSTS);
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            } while (allocated != 0 && System.nanoTime() < deadline);
            assertEquals(0, allocated, "bytes for " + BURST * BURSTS + " requests");
            assertEquals(0, guest.handler.inFlight());
        }
    }

    private static void burst(BlkGuest guest, long[] addresses, int[] lengths, int bursts) {
        for (int n = 0; n < bursts; n++) {
            for (int i = 0; i < BURST; i++) {
                int readable = i % 4 == 0 ? 2 : 1;
                int id = guest.driver.add(addresses, lengths, i * 3, readable, 3 - readable);
                if (id < 0) {
                    throw new IllegalStateException("the ring is full");
                }
            }
            guest.driver.publishAvailable();
            for (int done = 0; done < BURST; ) {
                int ignored = guest.handler.poll(32);
                while (guest.driver.popUsed() >= 0) {
                    done++;
                }
            }
        }
    }

    private Bdev disk(String kind) throws IOException {
        return switch (kind) {
            case "null" -> NullBdev.create(NullOptions.of("n0", 1 << 20, 512));
            case "malloc" -> MallocBdev.create(MallocOptions.of("m0", 1 << 20, 512));
            default -> {
                Path path = directory.resolve("disk.img");
                try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                    file.setLength(1 << 20);
                }
                yield FileBdev.open(FileOptions.of("f0", path));
            }
        };
    }
}
