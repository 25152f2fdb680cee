package io.gatun.bdev;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.linux.Epoll;
import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.FileStatus;
import io.gatun.linux.IoUring;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files as block devices, by io_uring and by plain system calls, through the page cache and past it. */
class FileBdevTest {
    private static final int FILE_BYTES = 8 << 20;

    @TempDir
    Path directory;

    private Path image() throws IOException {
        Path path = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(FILE_BYTES);
        }
        return path;
    }

    private static FileBdev open(FileOptions options, boolean ring) {
        if (ring) {
            assumeTrue(IoUring.probe().isEmpty(), "the kernel forbids io_uring");
        }
        return ring ? FileBdev.openWithRing(options) : FileBdev.openBlocking(options);
    }

    private static byte[] random(int bytes, long seed) {
        byte[] data = new byte[bytes];
        new Random(seed).nextBytes(data);
        return data;
    }

    @ParameterizedTest
    @CsvSource({"true, false", "true, true", "false, false", "false, true"})
    void readsWhatWasWrittenFromAnyBuffer(boolean ring, boolean direct) throws IOException {
        Path path = image();
        try (FileBdev disk = open(FileOptions.of("d0", path).withBlockSizeBytes(4096).withDirect(direct), ring);
                BdevUser user = new BdevUser(disk)) {
            byte[] data = random(1 << 20, 1);
            assertEquals(0, user.write(4096, data, 0));
            assertArrayEquals(data, user.read(4096, data.length, 0));
            assertEquals(0, disk.bouncedRequests());
            assertEquals(0, user.write(2 << 20, data, 3), "a buffer that direct I/O cannot take");
            assertArrayEquals(data, user.read(2 << 20, data.length, 100));
            assertEquals(direct ? 2 : 0, disk.bouncedRequests());
            assertEquals(0, user.run(BdevRequest.FLUSH, 0, 0, false));
            assertEquals(ring, disk.usesRing());
        }
        assertArrayEquals(random(1 << 20, 1), Arrays.copyOfRange(Files.readAllBytes(path), 2 << 20, 3 << 20));
    }

    @ParameterizedTest
    @CsvSource({"true, false", "true, true", "false, false", "false, true"})
    void takesRequestsOfHundredsOfSegments(boolean ring, boolean direct) throws IOException {
        try (FileBdev disk = open(FileOptions.of("d0", image()).withBlockSizeBytes(4096).withDirect(direct), ring);
                BdevUser user = new BdevUser(disk)) {
            byte[] data = random(200 * 4096, 2);
            assertEquals(0, user.write(0, data, 0));
            // Lengths from 1 byte up, but the sum is whole blocks; addresses scattered backwards.
            BdevRequest request = BdevUser.request(BdevRequest.READ, 0, data.length);
            int count = 400;
            request.addresses = new long[count + 3];
            request.lengths = new int[count + 3];
            request.firstSegment = 3;
            request.segmentCount = count;
            Random random = new Random(3);
            int left = data.length;
            for (int i = 0; i < count; i++) {
                int length = i == count - 1 ? left : 1 + random.nextInt(2000);
                request.lengths[3 + i] = length;
                request.addresses[3 + i] = user.allocate(length, random.nextInt(64));
                left -= length;
            }
            assertEquals(0, user.run(request));
            byte[] read = new byte[data.length];
            int at = 0;
            for (int i = 3; i < count + 3; i++) {
                Memory.copyToArray(request.addresses[i], read, at, request.lengths[i]);
                at += request.lengths[i];
            }
            assertArrayEquals(data, read);
            request.operation = BdevRequest.WRITE;
            request.offsetBytes = 4 << 20;
            assertEquals(0, user.run(request));
            assertArrayEquals(data, user.read(4 << 20, data.length, 0));
        }
    }

    @Test
    void moreRequestsThanOperationsWaitInLine() throws IOException {
        try (FileBdev disk = open(FileOptions.of("d0", image()), true);
                BdevUser user = new BdevUser(disk)) {
            byte[] data = random(1000 * 512, 4);
            assertEquals(0, user.write(0, data, 0));
            long memory = user.allocate(data.length, 0);
            BdevRequest[] requests = new BdevRequest[1000];
            for (int i = 0; i < requests.length; i++) {
                requests[i] = BdevUser.request(BdevRequest.READ, i * 512L, 512, memory + i * 512L);
            }
            user.run(requests);
            assertTrue(Arrays.stream(requests).allMatch(r -> r.status == 0));
            assertArrayEquals(data, BdevUser.bytes(memory, data.length));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void discardsAndZeroesRanges(boolean ring) throws IOException {
        for (Path path : new Path[] {image(), shm()}) {
            try (FileBdev disk = open(FileOptions.of("d0", path), ring);
                    BdevUser user = new BdevUser(disk)) {
                byte[] data = random(4 << 20, 5);
                assertEquals(0, user.write(0, data, 0));
                long before = allocated(path);
                assertEquals(0, user.run(BdevRequest.WRITE_ZEROES, 512, 1 << 20, false));
                Arrays.fill(data, 512, 512 + (1 << 20), (byte) 0);
                assertEquals(0, user.run(BdevRequest.WRITE_ZEROES, 2 << 20, 1 << 20, true));
                Arrays.fill(data, 2 << 20, 3 << 20, (byte) 0);
                assertArrayEquals(data, user.read(0, data.length, 0));
                assertEquals(0, user.run(BdevRequest.DISCARD, 3 << 20, 1 << 20, false));
                assertTrue(allocated(path) <= before - (1 << 20), "holes free the medium");
                assertEquals(FILE_BYTES, Files.size(path));
            } finally {
                Files.delete(path);
            }
        }
    }

    /** tmpfs has holes but no ranges of zeros, so that zeros are written. */
    private static Path shm() throws IOException {
        Path path = Files.createTempFile(Path.of("/dev/shm"), "gatun", ".img");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(FILE_BYTES);
        }
        return path;
    }

    private static long allocated(Path path) {
        try (Fd fd = FileIo.open(path.toString(), FileIo.O_RDONLY, 0)) {
            return FileStatus.of(fd).allocatedBytes();
        }
    }

    @ParameterizedTest
    @CsvSource({"true, false", "true, true", "false, false", "false, true"})
    void aFileThatShrankAnswersWithAnErrorWhereItEnds(boolean ring, boolean direct) throws IOException {
        Path path = image();
        try (FileBdev disk = open(FileOptions.of("d0", path).withBlockSizeBytes(4096).withDirect(direct), ring);
                BdevUser user = new BdevUser(disk)) {
            truncate(path, (1 << 20) + 100);
            long memory = user.allocate(8192, 0);
            assertEquals(-Errno.EIO, user.run(BdevUser.request(BdevRequest.READ, 2 << 20, 4096, memory)));
            assertEquals(-Errno.EIO, user.run(BdevUser.request(BdevRequest.READ, (1 << 20) - 4096, 8192, memory)));
            assertEquals(0, user.run(BdevUser.request(BdevRequest.READ, 0, 4096, memory)));
            AtomicInteger resized = new AtomicInteger();
            Bdev.Registration registration = disk.onResize(resized::incrementAndGet);
            assertEquals((1 << 20) / 4096, disk.rescan());
            assertEquals((1 << 20) / 4096, disk.rescan());
            registration.close();
            assertEquals(1, resized.get());
            assertEquals(-Errno.EINVAL, user.run(BdevUser.request(BdevRequest.READ, 2 << 20, 4096, memory)));
        }
    }

    private static void truncate(Path path, long length) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        }
    }

    @Test
    void aFileThatGrewIsLargerAfterARescan() throws IOException {
        Path path = image();
        try (FileBdev disk = FileBdev.open(FileOptions.of("d0", path));
                BdevUser user = new BdevUser(disk)) {
            AtomicInteger resized = new AtomicInteger();
            Bdev.Registration registration = disk.onResize(resized::incrementAndGet);
            truncate(path, 2 * FILE_BYTES + 511);
            assertEquals(FILE_BYTES / 512, disk.blockCount());
            assertEquals(2 * FILE_BYTES / 512, disk.rescan());
            assertEquals(1, resized.get());
            assertEquals(0, user.write(2 * FILE_BYTES - 512, new byte[512], 0));
            assertEquals(-Errno.EINVAL, user.write(2 * FILE_BYTES, new byte[512], 0));
            registration.close();
            truncate(path, FILE_BYTES);
            disk.rescan();
            assertEquals(1, resized.get());
            Files.delete(path);
            LinuxException gone = assertThrows(LinuxException.class, disk::rescan);
            assertTrue(gone.getMessage().contains(path.toString()), gone.getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aReadOnlyFileRefusesEveryKindOfWrite(boolean ring) throws IOException {
        Path path = image();
        try (FileBdev disk = open(FileOptions.of("d0", path).withReadOnly(true), ring);
                FileBdev second = open(FileOptions.of("d1", path).withReadOnly(true), ring);
                BdevUser user = new BdevUser(disk)) {
            assertTrue(second.readOnly());
            assertFalse(disk.supports(BdevRequest.WRITE));
            assertEquals(-Errno.EROFS, user.write(0, new byte[512], 0));
            assertEquals(-Errno.EROFS, user.run(BdevRequest.DISCARD, 0, 512, false));
            assertEquals(-Errno.EROFS, user.run(BdevRequest.WRITE_ZEROES, 0, 512, true));
            assertArrayEquals(new byte[512], user.read(0, 512, 0));
        }
    }

    @Test
    void choosesItsEngineByTheMedium() throws IOException {
        Path memory = shm();
        Path path = image();
        try (FileBdev inMemory = FileBdev.open(FileOptions.of("d0", memory));
                FileBdev onDisk = FileBdev.open(FileOptions.of("d1", path))) {
            assertFalse(inMemory.usesRing());
            boolean temporaryIsMemory = Files.getFileStore(path).type().equals("tmpfs");
            assertEquals(IoUring.probe().isEmpty() && !temporaryIsMemory, onDisk.usesRing());
        } finally {
            Files.delete(memory);
        }
    }

    @Test
    void aWritableFileHasOneUser() throws IOException {
        Path path = image();
        FileBdev disk = FileBdev.open(FileOptions.of("d0", path));
        BdevUser user = new BdevUser(disk);
        LinuxException refused =
                assertThrows(LinuxException.class, () -> FileBdev.open(FileOptions.of("d1", path)));
        assertTrue(refused.getMessage().contains("another process uses it"), refused.getMessage());
        disk.close();
        assertThrows(IllegalStateException.class, () -> disk.openChannel(null));
        assertThrows(
                LinuxException.class,
                () -> FileBdev.open(FileOptions.of("d1", path)),
                "an open channel keeps the file");
        user.close();
        FileBdev.open(FileOptions.of("d1", path)).close();
    }

    @Test
    void saysWhatIsWrongWithAPath() throws IOException {
        Path missing = directory.resolve("missing.img");
        LinuxException noFile =
                assertThrows(LinuxException.class, () -> FileBdev.open(FileOptions.of("d0", missing)));
        assertTrue(noFile.getMessage().contains(missing.toString()), noFile.getMessage());
        assertThrows(RuntimeException.class, () -> FileBdev.open(FileOptions.of("d0", directory)));
        IllegalArgumentException notAFile = assertThrows(
                IllegalArgumentException.class,
                () -> FileBdev.open(FileOptions.of("d0", Path.of("/dev/null")).withReadOnly(true)));
        assertTrue(notAFile.getMessage().contains("neither a regular file"), notAFile.getMessage());
        Path small = directory.resolve("small.img");
        Files.write(small, new byte[511]);
        IllegalArgumentException tooSmall =
                assertThrows(IllegalArgumentException.class, () -> FileBdev.open(FileOptions.of("d0", small)));
        assertTrue(tooSmall.getMessage().contains("511 bytes"), tooSmall.getMessage());
    }

    /** A sleeper wakes for a completion: arm, sleep in epoll, wake, poll. */
    @Test
    void completionsWakeASleeper() throws IOException {
        Path path = image();
        try (FileBdev disk = open(FileOptions.of("d0", path), true);
                BdevUser user = new BdevUser(disk);
                Epoll epoll = Epoll.create(4)) {
            epoll.add(user.channel.wakeFd(), Epoll.EPOLLIN | Epoll.EPOLLET, 7);
            BdevRequest[] completed = new BdevRequest[4];
            for (int i = 0; i < 50; i++) {
                assertEquals(BdevChannel.PENDING, user.channel.submit(BdevUser.request(BdevRequest.FLUSH, 0, 0)));
                user.channel.flush();
                while (user.channel.poll(completed) == 0) {
                    if (user.channel.arm()) {
                        long asleep = System.nanoTime();
                        // The kernel may also wake the thread itself for its completion: no event, but no sleep either.
                        epoll.await(20_000);
                        long nanos = System.nanoTime() - asleep;
                        assertTrue(nanos < 15_000_000_000L, "a completion was slept through");
                    }
                    user.channel.disarm();
                    user.channel.flush();
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"true, false", "true, true", "false, false"})
    void aBufferThatVanishedIsAnError(boolean ring, boolean direct) throws IOException {
        Path path = image();
        Path buffer = directory.resolve("buffer");
        truncateNew(buffer, 8192);
        try (FileBdev disk = open(FileOptions.of("d0", path).withBlockSizeBytes(4096).withDirect(direct), ring);
                BdevUser user = new BdevUser(disk);
                Fd fd = FileIo.open(buffer.toString(), FileIo.O_RDWR, 0);
                Mapping mapping = Mapping.shared(fd, 0, 8192)) {
            truncate(buffer, 0);
            for (int operation : new int[] {BdevRequest.READ, BdevRequest.WRITE}) {
                int misalignment = direct ? 8 : 0;
                BdevRequest request = BdevUser.request(operation, 0, 4096, mapping.address() + misalignment);
                assertEquals(-Errno.EFAULT, user.run(request));
            }
            assertArrayEquals(new byte[4096], user.read(0, 4096, 0), "the channel goes on");
        }
    }

    private static void truncateNew(Path path, long length) throws IOException {
        Files.createFile(path);
        truncate(path, length);
    }

    /** A full disk, for which a small tmpfs is mounted in a name space of its own where this user may do that. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aFullDiskIsAnError(boolean ring) throws IOException, InterruptedException {
        Process holder = new ProcessBuilder(
                        "unshare",
                        "-rm",
                        "sh",
                        "-c",
                        "mount -t tmpfs -o size=1m none " + directory
                                + " && truncate -s 8m " + directory + "/full.img && echo ready && exec sleep 60")
                .redirectErrorStream(true)
                .start();
        try {
            String line = holder.inputReader().readLine();
            assumeTrue("ready".equals(line), "cannot mount a tmpfs here: " + line);
            Path path = Path.of("/proc/" + holder.pid() + "/root" + directory + "/full.img");
            try (FileBdev disk = open(FileOptions.of("d0", path), ring);
                    BdevUser user = new BdevUser(disk)) {
                assertEquals(-Errno.ENOSPC, user.write(0, random(4 << 20, 9), 0));
                assertEquals(0, user.run(BdevRequest.DISCARD, 0, 8 << 20, false));
                assertEquals(0, user.write(0, random(4096, 9), 0), "there is room again");
            }
        } finally {
            holder.destroyForcibly().waitFor();
        }
    }

    /** Where any of its mappings fails, a channel leaves nothing behind: front-ends come back again and again. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aChannelThatFindsNoMemoryLeavesNoneBehind(boolean ring) throws IOException, InterruptedException {
        assumeTrue(!ring || IoUring.probe().isEmpty(), "the kernel forbids io_uring");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/prlimit")), "no prlimit");
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-ea",
                        "-Xmx64m",
                        "-XX:+UseSerialGC",
                        "-Xint",
                        "-XX:-CreateCoredumpOnCrash",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ShortOfMemory.class.getName(),
                        image().toString(),
                        Boolean.toString(ring))
                .redirectErrorStream(true)
                .start();
        String said = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), said);
        assertTrue(said.matches("(?s).*\\b[1-9]\\d* failures left 0 mappings, 0 descriptors\\s*"), said);
    }
}
