package io.gatun.bdev.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.linux.Memory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests of VIRTIO 1.3 §5.2.6 on a RAM disk, on both rings. */
class VirtioBlkQueueTest {
    private static final int DISK_BYTES = 4 << 20;
    private static final byte[] NONE = {};

    private final MallocBdev disk = MallocBdev.create(MallocOptions.of("m0", DISK_BYTES, 512));
    private BlkGuest guest;

    private BlkGuest guest(boolean packed) {
        guest = new BlkGuest(disk, VirtioBlkOptions.DEFAULTS.withSerial("serial-0"), packed);
        return guest;
    }

    @AfterEach
    void close() {
        guest.close();
        disk.close();
    }

    static byte[] random(int bytes, long seed) {
        byte[] data = new byte[bytes];
        new Random(seed).nextBytes(data);
        return data;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void readsWhatWasWritten(boolean packed) {
        guest(packed);
        byte[] data = random(8192, 1);
        BlkGuest.Answer write = guest.write(16, data);
        assertEquals(VirtioBlk.S_OK, write.status());
        assertEquals(1, write.usedLength(), "only the status was written");
        BlkGuest.Answer read = guest.read(16, 8192);
        assertEquals(VirtioBlk.S_OK, read.status());
        assertArrayEquals(data, read.data());
        assertEquals(8193, read.usedLength(), "data and status");
        assertEquals(1, guest.device.counters().getFirst().reads());
        assertEquals(8192, guest.device.counters().getFirst().readBytes());
        assertEquals(1, guest.device.counters().getFirst().writes());
        assertEquals(2, guest.counters.chains());
        assertArrayEquals(new byte[512], guest.read(0, 512).data());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void publishesABurstOnce(boolean packed) {
        guest(packed);
        for (int i = 0; i < 10; i++) {
            guest.add(VirtioBlk.T_IN, i, NONE, 512);
        }
        assertEquals(10, guest.handler.poll(32));
        assertEquals(1, guest.counters.publishes());
        for (int i = 0; i < 10; i++) {
            assertEquals(VirtioBlk.S_OK, guest.take().status());
        }
        assertEquals(0, guest.handler.poll(32));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void takesNoMoreThanItsBudget(boolean packed) {
        guest(packed);
        for (int i = 0; i < 5; i++) {
            guest.add(VirtioBlk.T_IN, i, NONE, 512);
        }
        assertEquals(0, guest.handler.poll(0));
        assertEquals(2, guest.handler.poll(2));
        assertEquals(3, guest.handler.poll(8));
        assertEquals(0, guest.handler.inFlight());
    }

    @Test
    void acceptsEveryWayToCutARequestIntoDescriptors() {
        guest(false);
        byte[] data = random(1024, 2);
        byte[] request = new byte[16 + 1024];
        request[0] = VirtioBlk.T_OUT;
        request[8] = 3;
        System.arraycopy(data, 0, request, 16, data.length);
        for (int first = 1; first <= request.length; first = first < 40 ? first + 1 : first + 333) {
            assertEquals(VirtioBlk.S_OK, guest.write(3, new byte[1024]).status());
            for (int second : new int[] {0, 1, 15, 16, 17, 512}) {
                writeInPieces(request, first, second);
                String cut = "cut at " + first + " and after " + second + " more";
                assertArrayEquals(data, guest.read(3, 1024).data(), cut);
            }
            guest.releaseBuffers();
        }
    }

    /** Makes a write of one readable buffer in up to three descriptors, and a status. */
    private void writeInPieces(byte[] request, int first, int second) {
        int a = Math.min(first, request.length);
        int b = Math.min(second, request.length - a);
        long[] addresses = new long[4];
        int[] lengths = new int[4];
        int count = 0;
        int at = 0;
        for (int piece : new int[] {a, b, request.length - a - b}) {
            if (piece != 0) {
                addresses[count] = guest.allocate(Arrays.copyOfRange(request, at, at + piece));
                lengths[count] = piece;
                at += piece;
                count++;
            }
        }
        long status = guest.allocate(new byte[] {(byte) 0xee});
        addresses[count] = status;
        lengths[count] = 1;
        guest.add(Arrays.copyOf(addresses, count + 1), Arrays.copyOf(lengths, count + 1), count);
        guest.handler.poll(1);
        assertFalse(guest.driver.popUsed() < 0);
        assertEquals(1, guest.driver.usedLength());
        assertEquals(VirtioBlk.S_OK, Memory.getByte(guest.host(status)));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void acceptsAStatusAtTheEndOfTheData(boolean packed) {
        guest(packed);
        byte[] data = random(1024, 3);
        guest.write(0, data);
        for (int split : new int[] {0, 1, 512, 1023, 1024}) {
            long header = guest.header(VirtioBlk.T_IN, 0);
            long in = guest.allocate(1025);
            if (split == 0) {
                guest.add(new long[] {header, in}, new int[] {16, 1025}, 1);
            } else {
                guest.add(new long[] {header, in, in + split}, new int[] {16, split, 1025 - split}, 1);
            }
            guest.handler.poll(1);
            assertFalse(guest.driver.popUsed() < 0);
            assertEquals(1025, guest.driver.usedLength());
            assertArrayEquals(data, guest.peek(in, 1024), "split " + split);
            assertEquals(VirtioBlk.S_OK, Memory.getByte(guest.host(in) + 1024));
        }
    }

    @Test
    void flushesAndTellsItsIdentity() {
        guest(false);
        BlkGuest.Answer flush = guest.run(VirtioBlk.T_FLUSH, 0, NONE, 0);
        assertEquals(VirtioBlk.S_OK, flush.status());
        assertEquals(1, flush.usedLength());
        BlkGuest.Answer id = guest.run(VirtioBlk.T_GET_ID, 0, NONE, 20);
        assertEquals(VirtioBlk.S_OK, id.status());
        byte[] serial = "serial-0".getBytes(StandardCharsets.US_ASCII);
        assertArrayEquals(Arrays.copyOf(serial, 20), id.data());
        assertEquals(21, id.usedLength());
        assertEquals(1, guest.device.counters().getFirst().flushes());
    }

    @ParameterizedTest
    @ValueSource(ints = {VirtioBlk.T_DISCARD, VirtioBlk.T_WRITE_ZEROES})
    void rangesReadAsZerosAfterwards(int type) {
        guest(false);
        byte[] data = random(1 << 20, 4);
        guest.write(0, data);
        // Small, page-sized and large ranges, one of nothing, with edges inside pages.
        byte[] ranges = BlkGuest.ranges(1, 1, 0, 8, 8, 0, 100, 0, 0, 513, 900, 0);
        assertEquals(VirtioBlk.S_OK, guest.run(type, 0, ranges, 0).status());
        Arrays.fill(data, 512, 1024, (byte) 0);
        Arrays.fill(data, 8 * 512, 16 * 512, (byte) 0);
        Arrays.fill(data, 513 * 512, 1413 * 512, (byte) 0);
        assertArrayEquals(data, guest.read(0, 1 << 20).data());
        if (type == VirtioBlk.T_WRITE_ZEROES) {
            assertEquals(VirtioBlk.S_OK, guest.run(type, 0, BlkGuest.ranges(0, 1, 1), 0).status(), "unmap is allowed");
            Arrays.fill(data, 0, 512, (byte) 0);
            assertArrayEquals(data, guest.read(0, 1 << 20).data());
        }
    }

    @Test
    void servesLongChainsAndIndirectTables() {
        guest(true);
        byte[] data = random(60 * 512, 5);
        guest.write(7, data);
        long[] addresses = new long[62];
        int[] lengths = new int[62];
        addresses[0] = guest.header(VirtioBlk.T_IN, 7);
        lengths[0] = 16;
        long in = guest.allocate(60 * 512);
        for (int i = 0; i < 60; i++) {
            addresses[i + 1] = in + i * 512L;
            lengths[i + 1] = 512;
        }
        addresses[61] = guest.allocate(1);
        lengths[61] = 1;
        long table = guest.allocate(62 * 16);
        table = (table + 15) & -16;
        guest.driver.addIndirect(guest.host(table), table, addresses, lengths, 0, 1, 61);
        guest.driver.publishAvailable();
        guest.handler.poll(1);
        assertFalse(guest.driver.popUsed() < 0);
        assertArrayEquals(data, guest.peek(in, 60 * 512));
    }
}
