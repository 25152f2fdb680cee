package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A device that breaks the rules of VIRTIO 1.3 §2.7: our driver breaks the queue with a reason and gives no buffer
 * twice.
 */
class SplitHostileDeviceTest {
    private static final int SIZE = 4;

    private final TestGuest guest = TestGuest.apart(DriverQueue.memoryBytes(false, SIZE), 4096);
    private final long ring = guest.allocate(0, DriverQueue.memoryBytes(false, SIZE), 4096);
    private final long buffer = guest.allocate(1, 1024, 8);
    private DriverQueue driver = driver(0);
    private long used = used(driver);

    private DriverQueue driver(long features) {
        return DriverQueue.create(false, SIZE, features, guest.host(ring), TestGuest.user(ring));
    }

    private long used(DriverQueue queue) {
        return guest.memory().translateUser(queue.usedAddress(), 6 + 8 * SIZE);
    }

    @AfterEach
    void release() {
        guest.close();
    }

    private int add() {
        return driver.add(new long[] {buffer}, new int[] {16}, 0, 1, 0);
    }

    private void element(int slot, long id, long length) {
        Memory.putInt(used + 4 + 8L * slot, (int) id);
        Memory.putInt(used + 8 + 8L * slot, (int) length);
    }

    private void usedIdx(int value) {
        Memory.releaseFence();
        Memory.putShort(used + 2, value);
    }

    private void assertBreaks(String words) {
        int free = driver.free();
        assertEquals(-1, driver.popUsed());
        assertTrue(driver.isBroken());
        assertTrue(driver.brokenReason().contains(words), driver.brokenReason());
        String reason = driver.brokenReason();
        assertEquals(free, driver.free());
        assertEquals(-1, driver.popUsed());
        assertEquals(-1, add());
        assertFalse(driver.publishAvailable());
        assertTrue(driver.armCalls(), "nothing will ever come, so sleeping is safe");
        assertEquals(reason, driver.brokenReason());
    }

    @ParameterizedTest
    @ValueSource(longs = {SIZE, SIZE + 1, 0xffff, 0x10000, 0x7fff_ffffL, 0x8000_0000L, 0xffff_ffffL})
    @DisplayName("§2.7.8: a used id beyond the queue")
    void idBeyondTheQueue(long id) {
        add();
        driver.publishAvailable();
        element(0, id, 0);
        usedIdx(1);
        assertBreaks("beyond the queue's size");
    }

    @Test
    @DisplayName("§2.7.8: a used id that is not outstanding")
    void idNotOutstanding() {
        int id = add();
        driver.publishAvailable();
        element(0, (id + 1) % SIZE, 0);
        usedIdx(1);
        assertBreaks("not outstanding");
    }

    @Test
    @DisplayName("§2.7.8: a used id that is the middle of a chain")
    void idInTheMiddleOfAChain() {
        int id = driver.add(new long[] {buffer, buffer}, new int[] {16, 16}, 0, 2, 0);
        driver.publishAvailable();
        element(0, (id + 1) % SIZE, 0);
        usedIdx(1);
        assertBreaks("not outstanding");
    }

    @Test
    @DisplayName("§2.7.8: the same buffer used twice")
    void usedTwice() {
        int id = add();
        add();
        driver.publishAvailable();
        element(0, id, 0);
        element(1, id, 0);
        usedIdx(2);
        assertEquals(id, driver.popUsed());
        assertBreaks("not outstanding");
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5, 0x7fff, 0x8000, 0xffff})
    @DisplayName("§2.7.8: a used index beyond what was available, or behind")
    void usedIdxBeyondWhatWasAvailable(int idx) {
        add();
        add();
        driver.publishAvailable();
        usedIdx(idx);
        assertBreaks("used idx moved from 0 to " + idx + ", but only 2");
    }

    @Test
    @DisplayName("§2.7.13.3: a buffer that was never made visible cannot be used")
    void usedBeforePublished() {
        int id = add();
        element(0, id, 0);
        usedIdx(1);
        assertBreaks("but only 0");
    }

    @Test
    @DisplayName("§2.7.9: in order, a batch that reaches beyond the used index")
    void batchBeyondTheUsedIndex() {
        driver = driver(VirtioFeatures.IN_ORDER);
        add();
        int second = add();
        driver.publishAvailable();
        element(0, second, 0);
        usedIdx(1);
        assertBreaks("2 buffers on");
    }

    @Test
    @DisplayName("§2.7.9: in order, a second batch that names a buffer of the first")
    void batchNamesAFormerBuffer() {
        driver = driver(VirtioFeatures.IN_ORDER);
        int first = add();
        int second = add();
        add();
        driver.publishAvailable();
        element(0, second, 0);
        element(2, first, 0);
        usedIdx(3);
        assertEquals(first, driver.popUsed());
        assertEquals(second, driver.popUsed());
        assertBreaks("not outstanding");
    }

    @Test
    @DisplayName("§2.7.8: what the device writes into descriptors never reaches the driver's own books")
    void descriptorsRewritten() {
        long table = guest.memory().translateUser(driver.descriptorAddress(), 16 * SIZE);
        for (int round = 0; round < 3 * SIZE; round++) {
            int id = driver.add(new long[] {buffer, buffer}, new int[] {16, 16}, 0, 1, 1);
            driver.publishAvailable();
            Memory.fill(table, 16 * SIZE, (byte) 0xff);
            element(round % SIZE, id, 5);
            usedIdx(round + 1);
            assertEquals(id, driver.popUsed());
            assertEquals(5, driver.usedLength());
            assertEquals(SIZE, driver.free());
        }
    }

    @Test
    @DisplayName("§2.7.8: a length larger than any buffer is reported as it is, unsigned")
    void hugeLength() {
        int id = add();
        driver.publishAvailable();
        element(0, id, 0xffff_ffffL);
        usedIdx(1);
        assertEquals(id, driver.popUsed());
        assertEquals(0xffff_ffffL, driver.usedLength());
    }

    @Test
    @DisplayName("§2.7.1: sizes, alignments and buffers that the driver must not use are refused")
    void driverRefusesItsOwnMistakes() {
        long host = guest.host(ring);
        for (int size : new int[] {-1, 0, 3, 65536}) {
            assertThrows(IllegalArgumentException.class, () -> DriverQueue.memoryBytes(false, size));
            assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(false, size, 0, host, 0));
        }
        assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(false, SIZE, 0, host + 16, 0));
        assertThrows(IllegalArgumentException.class, () -> DriverQueue.create(false, SIZE, 0, host, 8));
        assertThrows(
                IllegalStateException.class,
                () -> driver.addIndirect(guest.host(buffer), buffer, new long[] {buffer}, new int[] {1}, 0, 1, 0));
    }
}
