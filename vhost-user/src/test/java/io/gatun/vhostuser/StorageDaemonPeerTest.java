package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.vring.VirtioFeatures;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Our front-end in front of QEMU's storage daemon. */
@Tag("peer")
@Timeout(60)
class StorageDaemonPeerTest {
    private static final Duration SOON = Duration.ofSeconds(5);
    private static final int DISK_BYTES = 4 << 20;
    private static final int QUEUES = 2;

    @TempDir
    Path directory;

    private Process daemon;
    private Path socket;
    private Path disk;

    @BeforeEach
    void startDaemon() throws Exception {
        boolean present = Files.isExecutable(Path.of("/usr/bin/qemu-storage-daemon"));
        if (Boolean.getBoolean("gatun.peers.required")) {
            assertTrue(present, "qemu-storage-daemon is required and missing");
        }
        assumeTrue(present, "qemu-storage-daemon is not installed");
        socket = directory.resolve("blk.sock");
        disk = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(DISK_BYTES);
        }
        daemon = new ProcessBuilder(
                        "/usr/bin/qemu-storage-daemon",
                        "--blockdev",
                        "file,node-name=d0,filename=" + disk,
                        "--export",
                        "vhost-user-blk,id=e0,node-name=d0,writable=on,num-queues=" + QUEUES
                                + ",addr.type=unix,addr.path=" + socket)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("daemon.log").toFile())
                .start();
        long deadline = System.nanoTime() + SOON.toNanos();
        while (!Files.exists(socket)) {
            assertTrue(daemon.isAlive() && System.nanoTime() < deadline, "the storage daemon did not start");
            Thread.sleep(10);
        }
    }

    @AfterEach
    void stopDaemon() throws Exception {
        if (daemon != null) {
            daemon.destroy();
            assertTrue(daemon.waitFor(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void setsADeviceUpAndMovesData() throws IOException {
        try (SharedMemory memory = SharedMemory.ofPages(0x1_0000_0000L, 8 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON)) {
            ByteBuffer config = ByteBuffer.wrap(device.readConfig(0, 60)).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(DISK_BYTES / 512, config.getLong(0));
            assertEquals(QUEUES, config.getShort(34));
            negotiate(device, memory);
            for (int q = 0; q < QUEUES; q++) {
                BlkDriver driver = new BlkDriver(device.startQueue(q, 128), memory);
                byte[] written = pattern(q);
                assertEquals(0, driver.write(8 * (1L + q), written));
                assertArrayEquals(written, driver.read(8 * (1L + q), written.length));
                byte[] onDisk = new byte[4096];
                try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "r")) {
                    file.seek(4096 * (1L + q));
                    file.readFully(onDisk);
                }
                assertArrayEquals(written, onDisk);
                // A sector beyond the end is an error of the device, not of the queue.
                assertEquals(1, driver.write(DISK_BYTES / 512, written));
                assertFalse(driver.queue.driver().isBroken());
            }
        }
    }

    @Test
    void aStoppedQueueIsResumedWhereItWas() {
        stopAndResume();
    }

    private void stopAndResume() {
        try (SharedMemory memory = SharedMemory.ofPages(0, 8 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON)) {
            negotiate(device, memory);
            BlkDriver driver = new BlkDriver(device.startQueue(0, 128), memory);
            for (int i = 0; i < 5; i++) {
                assertEquals(0, driver.write(0, pattern(i)));
            }
            int base = device.stopQueue(0);
            assertEquals(5, base);
            device.resumeQueue(driver.queue, base);
            assertArrayEquals(pattern(4), driver.read(0, 4096));
        }
    }

    @Test
    void aQueueOutlivesItsConnection() {
        try (SharedMemory memory = SharedMemory.ofPages(0, 8 << 20)) {
            BlkDriver driver;
            int base;
            try (VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON)) {
                negotiate(device, memory);
                driver = new BlkDriver(device.startQueue(0, 128), memory);
                assertEquals(0, driver.write(0, pattern(7)));
                base = device.stopQueue(0);
                device.releaseQueue(driver.queue);
            }
            try (VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON)) {
                negotiate(device, memory);
                device.resumeQueue(driver.queue, base);
                assertArrayEquals(pattern(7), driver.read(0, 4096));
            }
        }
    }

    @Test
    void worksWithoutProtocolExtras() {
        long bare = ProtocolFeatures.CONFIG | ProtocolFeatures.MQ;
        try (SharedMemory memory = SharedMemory.ofPages(0, 8 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON, bare)) {
            negotiate(device, memory);
            BlkDriver driver = new BlkDriver(device.startQueue(0, 64), memory);
            assertEquals(0, driver.write(16, pattern(9)));
            assertArrayEquals(pattern(9), driver.read(16, 4096));
        }
    }

    @Test
    void askingForMoreConfigurationThanThereIsIsRefused() {
        try (VhostUserFrontend device = VhostUserFrontend.connect(socket, SOON)) {
            FrontendException e = assertThrows(FrontendException.class, () -> device.readConfig(0, 256));
            assertTrue(e.getMessage().contains("refused 256 bytes at offset 0"), e.getMessage());
        }
    }

    @Test
    void nothingIsLeftOpen() {
        stopAndResume();
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        stopAndResume();
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    private static void negotiate(VhostUserFrontend device, SharedMemory memory) {
        device.negotiate(device.features()
                & (VirtioFeatures.VERSION_1 | VirtioFeatures.EVENT_IDX | VirtioFeatures.INDIRECT_DESC));
        device.shareMemory(memory);
    }

    private static byte[] pattern(int seed) {
        byte[] bytes = new byte[4096];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7 + seed);
        }
        return bytes;
    }

    /** One request at a time. */
    private static final class BlkDriver {
        final FrontendQueue queue;
        private final SharedMemory memory;
        private final long header;
        private final long data;

        BlkDriver(FrontendQueue queue, SharedMemory memory) {
            this.queue = queue;
            this.memory = memory;
            this.header = memory.allocate(64, 64);
            this.data = memory.allocate(4096, 4096);
        }

        int write(long sector, byte[] bytes) {
            Memory.copyFromArray(bytes, 0, data, bytes.length);
            return request(1, sector, bytes.length);
        }

        byte[] read(long sector, int length) {
            Memory.fill(data, length, (byte) 0xee);
            assertEquals(0, request(0, sector, length));
            byte[] bytes = new byte[length];
            Memory.copyToArray(data, bytes, 0, length);
            return bytes;
        }

        private int request(int type, long sector, int length) {
            Memory.putInt(header, type);
            Memory.putInt(header + 4, 0);
            Memory.putLong(header + 8, sector);
            Memory.putByte(header + 16, (byte) 0xff);
            long guest = memory.toGuest(header);
            long[] addresses = {guest, memory.toGuest(data), guest + 16};
            int readable = type == 1 ? 2 : 1;
            int id = queue.driver().add(addresses, new int[] {16, length, 1}, 0, readable, 3 - readable);
            if (queue.driver().publishAvailable()) {
                queue.kick();
            }
            int done;
            while ((done = queue.driver().popUsed()) < 0) {
                if (queue.driver().armCalls()) {
                    assertTrue(queue.awaitCall(SOON), "the device never called");
                }
            }
            assertEquals(id, done);
            return Memory.getByte(header + 16);
        }
    }
}
