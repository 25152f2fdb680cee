package io.gatun.vring;

import static io.gatun.vring.RawPackedRing.AVAIL;
import static io.gatun.vring.RawPackedRing.USED;
import static io.gatun.vring.RawPackedRing.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A device that breaks the rules of VIRTIO 1.3 §2.8: our driver breaks the queue with a reason and gives no buffer
 * twice.
 */
class PackedHostileDeviceTest {
    private static final int SIZE = 4;
    private static final int USED_FIRST_LAP = AVAIL | USED;

    private TwoSides sides = new TwoSides(true, SIZE, 0);
    private PackedRingBytes memory = new PackedRingBytes(sides);
    private long buffer = sides.buffer(64);

    @AfterEach
    void release() {
        sides.close();
    }

    private void restart(long features) {
        sides.close();
        sides = new TwoSides(true, SIZE, features);
        memory = new PackedRingBytes(sides);
        buffer = sides.buffer(64);
    }

    private int add(int segments) {
        long[] addresses = new long[segments];
        int[] lengths = new int[segments];
        for (int i = 0; i < segments; i++) {
            addresses[i] = buffer;
            lengths[i] = 16;
        }
        return sides.driver.add(addresses, lengths, 0, 0, segments);
    }

    private void assertBreaks(String words) {
        DriverQueue driver = sides.driver;
        int free = driver.free();
        assertEquals(-1, driver.popUsed());
        assertTrue(driver.isBroken());
        assertTrue(driver.brokenReason().contains(words), driver.brokenReason());
        String reason = driver.brokenReason();
        assertEquals(free, driver.free());
        assertEquals(-1, driver.popUsed());
        assertEquals(-1, add(1));
        assertFalse(driver.publishAvailable());
        assertTrue(driver.armCalls(), "nothing will ever come, so sleeping is safe");
        assertEquals(reason, driver.brokenReason());
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, SIZE + 1, 0x7fff, 0x8000, 0xffff})
    @DisplayName("§2.8.22: a used id beyond the queue, with and without IN_ORDER")
    void idBeyondTheQueue(int id) {
        for (long features : new long[] {0, VirtioFeatures.IN_ORDER}) {
            restart(features);
            add(1);
            sides.driver.publishAvailable();
            memory.use(0, id, 16, USED_FIRST_LAP | WRITE);
            assertBreaks("beyond the queue's size");
        }
    }

    @Test
    @DisplayName("§2.8.22: a used id that is not outstanding, with and without IN_ORDER")
    void idNotOutstanding() {
        for (long features : new long[] {0, VirtioFeatures.IN_ORDER}) {
            restart(features);
            int id = add(1);
            sides.driver.publishAvailable();
            memory.use(0, (id + 1) % SIZE, 16, USED_FIRST_LAP);
            assertBreaks("not outstanding");
        }
    }

    @Test
    @DisplayName("§2.8.22: the same id used twice, with and without IN_ORDER")
    void idUsedTwice() {
        for (long features : new long[] {0, VirtioFeatures.IN_ORDER}) {
            restart(features);
            int id = add(1);
            add(1);
            sides.driver.publishAvailable();
            memory.use(0, id, 16, USED_FIRST_LAP);
            memory.use(1, id, 16, USED_FIRST_LAP);
            assertEquals(id, sides.driver.popUsed());
            assertBreaks("not outstanding");
        }
    }

    @Test
    @DisplayName("§2.8.22: used descriptors where nothing is available are not looked at")
    void usedWithoutAnythingAvailable() {
        for (int slot = 0; slot < SIZE; slot++) {
            memory.use(slot, 0, 16, USED_FIRST_LAP);
        }
        assertEquals(-1, sides.driver.popUsed());
        assertTrue(sides.driver.armCalls());
        add(1);
        assertEquals(-1, sides.driver.popUsed(), "added, but not yet published");
        assertFalse(sides.driver.isBroken());
    }

    @Test
    @DisplayName("§2.8.22: a buffer that is not yet published cannot be used, with and without IN_ORDER")
    void usedBeforeAvailable() {
        for (long features : new long[] {0, VirtioFeatures.IN_ORDER}) {
            restart(features);
            add(1);
            sides.driver.publishAvailable();
            int later = add(2);
            memory.use(0, later, 16, USED_FIRST_LAP);
            assertBreaks("before it was available");
        }
    }

    @Test
    @DisplayName("§2.8.1: used flags of the wrong lap are no used descriptor")
    void flagsOfAnotherLap() {
        add(1);
        sides.driver.publishAvailable();
        for (int flags : new int[] {0, AVAIL, USED}) {
            memory.use(0, 0, 16, flags | WRITE);
            assertEquals(-1, sides.driver.popUsed());
        }
        assertFalse(sides.driver.isBroken());
    }

    @Test
    @DisplayName("§2.8.22: what the device writes into descriptors never reaches the driver's own books")
    void descriptorsRewritten() {
        int slot = 0;
        int phase = USED_FIRST_LAP;
        for (int round = 0; round < 5 * SIZE; round++) {
            int segments = round % 3 + 1;
            int id = add(segments);
            sides.driver.publishAvailable();
            Memory.fill(memory.ring(), 16 * SIZE, (byte) 0xff);
            memory.use(slot, id, 5, phase | WRITE);
            assertEquals(id, sides.driver.popUsed());
            assertEquals(5, sides.driver.usedLength());
            assertEquals(SIZE, sides.driver.free());
            slot += segments;
            if (slot >= SIZE) {
                slot -= SIZE;
                phase ^= USED_FIRST_LAP;
            }
        }
    }

    @Test
    @DisplayName("§2.8.4: a length larger than any buffer is reported as it is, unsigned")
    void hugeLength() {
        int id = add(1);
        sides.driver.publishAvailable();
        memory.use(0, id, 0xffff_ffffL, USED_FIRST_LAP | WRITE);
        assertEquals(id, sides.driver.popUsed());
        assertEquals(0xffff_ffffL, sides.driver.usedLength());
    }

    @Test
    @DisplayName("§2.8: whatever the device writes, no buffer comes back that was not out, and none twice")
    void garbage() {
        for (long features : new long[] {0, VirtioFeatures.IN_ORDER, VirtioFeatures.EVENT_IDX}) {
            for (long seed = 1; seed <= 2000; seed++) {
                Random random = new Random(seed);
                restart(features);
                boolean[] out = new boolean[SIZE];
                for (int step = 0; step < 40; step++) {
                    int id = random.nextBoolean() ? add(random.nextInt(1, 3)) : -1;
                    if (id >= 0) {
                        assertFalse(out[id]);
                        out[id] = true;
                    }
                    sides.driver.publishAvailable();
                    memory.use(
                            random.nextInt(SIZE),
                            random.nextInt(SIZE + 1),
                            random.nextInt(),
                            (random.nextBoolean() ? USED_FIRST_LAP : 0) | random.nextInt(8));
                    memory.putDeviceEvent(random.nextInt());
                    int used = sides.driver.popUsed();
                    if (used >= 0) {
                        assertTrue(out[used], "seed " + seed);
                        out[used] = false;
                    }
                    assertTrue(sides.driver.free() >= 0 && sides.driver.free() <= SIZE);
                }
            }
        }
    }

    @Test
    @DisplayName("§2.8.10.1: sizes, alignments and buffers that the driver must not use are refused")
    void driverRefusesItsOwnMistakes() {
        long host = memory.ring();
        for (int size : new int[] {-1, 0, 32769, 65536}) {
            assertThrows(IllegalArgumentException.class, () -> DriverQueue.memoryBytes(true, size));
            assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(true, size, 0, host, 0));
        }
        assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(true, SIZE, 0, host + 16, 0));
        assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(true, SIZE, 0, host, 8));
        long[] addresses = {0x1000, 0x1000, 0x1000};
        int[] tooLong = {0x8000_0000, 0x7fff_ffff, 2};
        assertThrows(IllegalArgumentException.class, () -> sides.driver.add(addresses, tooLong, 0, 2, 1));
        assertEquals(SIZE, sides.driver.free());
    }
}
