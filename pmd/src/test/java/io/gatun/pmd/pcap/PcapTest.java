package io.gatun.pmd.pcap;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NullOptions;
import io.gatun.pmd.NullPort;
import io.gatun.pmd.QueueCounters;
import io.gatun.reactor.Reactor;
import io.gatun.reactor.Reactor.IdlePolicy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Section numbers are those of draft-ietf-opsawg-pcap. */
@Timeout(60)
class PcapTest {
    /** Counted after the folder was made, for which the JVM opens its source of random numbers. */
    private int fds;

    private final int mappings = Mapping.openCount();
    private final Mapping memory = Mapping.anonymous(1 << 17);
    private final Burst burst = new Burst();

    @TempDir
    Path folder;

    PcapTest() {
        for (int i = 0; i < 1 << 17; i++) {
            Memory.putByte(memory.address() + i, (byte) (i * 31));
        }
    }

    @BeforeEach
    void countDescriptors() {
        fds = Fd.openCount();
    }

    @AfterEach
    void close() {
        burst.close();
        memory.close();
        assertEquals(mappings, Mapping.openCount(), "mappings");
        assertEquals(fds, Fd.openCount(), "descriptors");
    }

    @Test
    void section4and5WrittenFilesAreLittleEndianWithNanoseconds() throws IOException {
        Path file = folder.resolve("w.pcap");
        long before = System.currentTimeMillis() / 1000;
        try (PcapPort port = PcapPort.open("c", PcapOptions.writing(file), null)) {
            burst.add(memory.address(), 60);
            burst.add(memory.address() + 100, 20);
            burst.addSegment(memory.address() + 120, 5000);
            port.txFor(0).send(burst);
            assertEquals(2, port.txQueues().getFirst().counters().packets());
        }
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(24 + 16 + 60 + 16 + 5020, bytes.remaining());
        assertEquals(0xa1b23c4d, bytes.getInt(0));
        assertEquals(2, bytes.getShort(4));
        assertEquals(4, bytes.getShort(6));
        assertEquals(262_144, bytes.getInt(16));
        assertEquals(1, bytes.getInt(20));
        assertTrue(bytes.getInt(24) >= before && bytes.getInt(24) <= before + 60);
        assertTrue(bytes.getInt(28) >= 0 && bytes.getInt(28) < 1_000_000_000);
        assertEquals(60, bytes.getInt(32));
        assertEquals(60, bytes.getInt(36));
        assertArrayEquals(pattern(0, 60), slice(bytes, 40, 60));
        assertEquals(5020, bytes.getInt(108));
        assertArrayEquals(pattern(100, 5020), slice(bytes, 116, 5020));
    }

    @Test
    void whatWasWrittenIsReplayedAsOftenAsAskedForOnceSomebodyForwards() throws IOException {
        Path file = folder.resolve("w.pcap");
        int[] lengths = {60, 1514, 14, 9000, 65000};
        try (PcapPort port = PcapPort.open("c", PcapOptions.writing(file), null)) {
            for (int length : lengths) {
                burst.clear();
                burst.add(memory.address() + length, length);
                port.txFor(0).send(burst);
            }
        }
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                PcapPort port = PcapPort.open("c", PcapOptions.replaying(file).withRounds(3), reactor)) {
            List<Integer> received = new ArrayList<>();
            List<String> faults = new ArrayList<>();
            assertFalse(port.replayed());
            port.forwardTo((from, packets) -> {
                for (int i = 0; i < packets.count; i++) {
                    received.add(packets.lengths[i]);
                    for (int at = 0; at < packets.lengths[i]; at++) {
                        if (Memory.getByte(packets.addresses[i] + at) != (byte) ((packets.lengths[i] + at) * 31)) {
                            faults.add("byte " + at + " of " + packets.lengths[i]);
                        }
                    }
                }
            });
            while (!port.replayed()) {
                Thread.onSpinWait();
            }
            reactor.submit(() -> {}).join();
            assertEquals(
                    List.of(60, 1514, 14, 9000, 65000, 60, 1514, 14, 9000, 65000, 60, 1514, 14, 9000, 65000), received);
            assertEquals(List.of(), faults);
        }
    }

    @Test
    void originalTimingIsKept() throws IOException {
        Path file = folder.resolve("t.pcap");
        ByteBuffer bytes = header(0xa1b2c3d4, 1, ByteOrder.LITTLE_ENDIAN);
        record(bytes, 7, 0, 60);
        record(bytes, 7, 30_000, 60);
        write(file, bytes);
        try (PcapPort port = PcapPort.open("c", PcapOptions.replaying(file).withOriginalTiming(), null)) {
            port.forwardTo((from, packets) -> {});
            long start = System.nanoTime();
            assertEquals(1, port.poll());
            assertFalse(port.replayed());
            while (!port.replayed()) {
                port.poll();
            }
            assertTrue(System.nanoTime() - start >= 30_000_000);
        }
    }

    @Test
    void section4EitherByteOrderAndResolutionIsRead() throws IOException {
        for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
            for (int magic : new int[] {0xa1b2c3d4, 0xa1b23c4d}) {
                Path file = folder.resolve("o.pcap");
                ByteBuffer bytes = header(magic, 1, order);
                record(bytes, 3_000_000_000L, 5, 14);
                record(bytes, 1, 2, 100);
                write(file, bytes);
                try (PcapFile read = PcapFile.load(file)) {
                    assertEquals(2, read.count());
                    assertEquals(14, read.lengthBytes(0));
                    assertEquals(100, read.lengthBytes(1));
                    long unit = magic == 0xa1b2c3d4 ? 1000 : 1;
                    assertEquals(3_000_000_000L * 1_000_000_000 + 5 * unit, read.nanos(0));
                    assertEquals(1_000_000_000L + 2 * unit, read.nanos(1));
                }
            }
        }
    }

    @Test
    void malformedFilesAreRefusedWithTheOffset() throws IOException {
        assertRefused(ByteBuffer.allocate(10), 0, "too short");
        assertRefused(ByteBuffer.allocate(24), 0, "begins no pcap file");
        assertRefused(header(0x0a0d0d0a, 1, ByteOrder.LITTLE_ENDIAN), 0, "editcap");
        assertRefused(header(0xa1b2c3d4, 113, ByteOrder.LITTLE_ENDIAN), 20, "link type 113");
        ByteBuffer version = header(0xa1b2c3d4, 1, ByteOrder.LITTLE_ENDIAN);
        version.putShort(4, (short) 3);
        assertRefused(version, 4, "version 2");
        ByteBuffer cutHeader = header(0xa1b2c3d4, 1, ByteOrder.LITTLE_ENDIAN);
        record(cutHeader, 1, 1, 60);
        cutHeader.putLong(0);
        assertRefused(cutHeader, 24 + 16 + 60, "header of packet 2 is cut off");
        ByteBuffer cutPacket = header(0xa1b2c3d4, 1, ByteOrder.LITTLE_ENDIAN);
        cutPacket.putInt(1).putInt(1).putInt(60).putInt(60).putInt(0);
        assertRefused(cutPacket, 24 + 16, "only 4 are left");
        for (int length : new int[] {0, 13, -1, 262_145}) {
            ByteBuffer impossible = header(0xa1b2c3d4, 1, ByteOrder.LITTLE_ENDIAN);
            impossible.putInt(1).putInt(1).putInt(length).putInt(length).putLong(0);
            assertRefused(impossible, 24 + 8, "packet 1 cannot have");
        }
    }

    @Test
    void aCaptureSeesBothDirectionsUpToTheSnapLength() throws IOException {
        Path file = folder.resolve("cap.pcap");
        try (Reactor reactor = Reactor.start("r", -1, IdlePolicy.ADAPTIVE);
                NullPort port = new NullPort("n", new NullOptions(1, 1000, 2_000), List.of(reactor))) {
            port.forwardTo((from, packets) -> port.txFor(0).send(packets));
            // Between two bursts: what is received while a capture begins or ends may be seen once only.
            AtomicReference<Capture> started = new AtomicReference<>();
            reactor.submit(() -> started.set(Capture.start(port, file, 100))).join();
            Capture capture = started.get();
            assertThrows(IllegalStateException.class, () -> Capture.start(port, folder.resolve("again"), 100));
            while (capture.packets() < 200) {
                Thread.onSpinWait();
            }
            reactor.submit(capture::close).join();
            capture.close();
            assertEquals(0, capture.dropped());
            try (PcapFile read = PcapFile.load(file)) {
                assertEquals(capture.packets(), read.count());
                assertEquals(0, read.count() % 2, "each packet is received, and sent");
                assertEquals(100, read.lengthBytes(0));
            }
            byte[] bytes = Files.readAllBytes(file);
            assertEquals(1000, ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(24 + 12));
            Capture.start(port, file, 100).close();
        }
    }

    @Test
    void aFileThatCannotBeWrittenDropsAndNothingElse() {
        Path full = Path.of("/dev/full");
        try (PcapPort port = PcapPort.open("c", PcapOptions.writing(full), null)) {
            QueueCounters counters = port.txQueues().getFirst().counters();
            while (counters.dropped(Drop.FAILED) == 0) {
                burst.clear();
                burst.add(memory.address(), 60);
                port.txFor(0).send(burst);
            }
        }
    }

    @Test
    void aDiskThatIsTooSlowLosesPacketsWhichAreCounted() {
        Path file = folder.resolve("fast.pcap");
        try (PcapPort port = PcapPort.open("c", PcapOptions.writing(file), null)) {
            QueueCounters counters = port.txQueues().getFirst().counters();
            long sent = 0;
            while (counters.dropped(Drop.NO_MEMORY) + counters.dropped(Drop.QUEUE_FULL) == 0 && sent < 200_000) {
                burst.clear();
                for (int i = 0; i < Burst.CAPACITY; i++) {
                    burst.add(memory.address(), 65_000);
                }
                port.txFor(0).send(burst);
                sent += Burst.CAPACITY;
            }
            assertEquals(sent, counters.packets() + counters.dropped());
        }
    }

    private void assertRefused(ByteBuffer bytes, long offset, String message) throws IOException {
        Path file = folder.resolve("bad.pcap");
        write(file, bytes.position() == 0 ? bytes.position(bytes.limit()) : bytes);
        PcapException refused = assertThrows(PcapException.class, () -> PcapFile.load(file));
        assertEquals(offset, refused.offset(), refused.getMessage());
        assertTrue(refused.getMessage().contains(message), refused.getMessage());
        assertTrue(refused.getMessage().contains("offset " + offset), refused.getMessage());
    }

    private static ByteBuffer header(int magic, int linkType, ByteOrder order) {
        return ByteBuffer.allocate(4096)
                .order(order)
                .putInt(magic)
                .putShort((short) 2)
                .putShort((short) 4)
                .putLong(0)
                .putInt(65535)
                .putInt(linkType);
    }

    private static void record(ByteBuffer bytes, long seconds, int fraction, int length) {
        bytes.putInt((int) seconds).putInt(fraction).putInt(length).putInt(length).put(new byte[length]);
    }

    private static void write(Path file, ByteBuffer bytes) throws IOException {
        byte[] content = new byte[bytes.position()];
        bytes.get(0, content);
        Files.write(file, content);
    }

    private static byte[] pattern(int from, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) ((from + i) * 31);
        }
        return bytes;
    }

    private static byte[] slice(ByteBuffer bytes, int from, int length) {
        byte[] part = new byte[length];
        bytes.get(from, part);
        return part;
    }
}
