package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * The clauses of VIRTIO 1.3 §2.8.10, §2.8.14 and §2.8.21 on who is notified, and when. Names begin with the section;
 * the table in docs/virtio-clauses.md leads here.
 */
class PackedNotificationSpecTest {
    private static final int ENABLE = 0;
    private static final int DISABLE = 1;
    private static final int DESCRIPTOR = 2;

    private static TwoSides sides(int size, long features) {
        return new TwoSides(true, size, features);
    }

    /** An event suppression structure as one word. */
    private static int word(int flags, int offset, int wrap) {
        return flags << 16 | wrap << 15 | offset;
    }

    /** The n-th slot from the beginning of a ring's life, with its wrap counter, as the structure has them. */
    private static int position(int n, int size) {
        return n % size | (n / size % 2 == 0 ? 1 << 15 : 0);
    }

    private static void exchange(TwoSides sides, long buffer, int count) {
        for (int i = 0; i < count; i++) {
            sides.addOne(buffer);
            sides.driver.publishAvailable();
            serve(sides);
        }
    }

    /** Whether an event that says {@code word} asks for a notification of the slots {@code [from, to)}. */
    private static boolean wanted(int word, boolean eventIdx, int from, int to, int size) {
        int flags = word >>> 16;
        if (flags != DESCRIPTOR || !eventIdx) {
            return flags != DISABLE;
        }
        for (int n = from; n < to; n++) {
            if (position(n, size) == (word & 0xffff)) {
                return true;
            }
        }
        return false;
    }

    @Test
    @DisplayName("§2.8.10: the device calls exactly when the driver's event suppression asks for it")
    void s2_8_10_deviceCalls() {
        for (int size = 1; size <= 4; size++) {
            for (int start = 0; start < 2 * size; start++) {
                for (int batch = 1; batch <= size; batch++) {
                    for (int event = 0; event < 4 * 2 * size; event++) {
                        int word = word(event / 2 / size, event / 2 % size, event & 1);
                        deviceCalls(size, start, batch, word, 0);
                        deviceCalls(size, start, batch, word, VirtioFeatures.EVENT_IDX);
                    }
                }
            }
        }
    }

    private static void deviceCalls(int size, int start, int batch, int word, long features) {
        try (TwoSides sides = sides(size, features)) {
            long buffer = sides.buffer(16);
            exchange(sides, buffer, start);
            for (int i = 0; i < batch; i++) {
                sides.addOne(buffer);
            }
            sides.driver.publishAvailable();
            for (int i = 0; i < batch; i++) {
                assertTrue(sides.pop());
                sides.device.putUsed(sides.chain, 0);
            }
            new PackedRingBytes(sides).putDriverEvent(word);
            boolean expected = wanted(word, features != 0, start, start + batch, size);
            String where = String.format("size %d, slots %d + %d, event 0x%x", size, start, batch, word);
            assertEquals(expected, sides.device.publishUsed(), where);
            assertFalse(sides.device.publishUsed(), "nothing new, so nothing to call for");
        }
    }

    @Test
    @DisplayName("§2.8.10: an event for a slot that a chain skips triggers too")
    void s2_8_10_skippedSlotsTrigger() {
        for (int offset = 0; offset < 4; offset++) {
            try (TwoSides sides = sides(4, VirtioFeatures.EVENT_IDX)) {
                long buffer = sides.buffer(64);
                sides.driver.add(new long[] {buffer, buffer, buffer}, new int[] {1, 1, 1}, 0, 3, 0);
                new PackedRingBytes(sides).putDeviceEvent(word(DESCRIPTOR, offset, 1));
                assertEquals(offset < 3, sides.driver.publishAvailable());
                assertTrue(sides.pop());
                sides.device.putUsed(sides.chain, 0);
                new PackedRingBytes(sides).putDriverEvent(word(DESCRIPTOR, offset, 1));
                assertEquals(offset < 3, sides.device.publishUsed());
            }
        }
    }

    @Test
    @DisplayName("§2.8.10, §2.8.21.2: the driver kicks exactly when the device's event suppression asks for it")
    void s2_8_10_driverKicks() {
        for (int size = 1; size <= 4; size++) {
            for (int start = 0; start < 2 * size; start++) {
                for (int batch = 1; batch <= size; batch++) {
                    for (int event = 0; event < 4 * 2 * size; event++) {
                        int word = word(event / 2 / size, event / 2 % size, event & 1);
                        driverKicks(size, start, batch, word, 0);
                        driverKicks(size, start, batch, word, VirtioFeatures.EVENT_IDX);
                    }
                }
            }
        }
    }

    private static void driverKicks(int size, int start, int batch, int word, long features) {
        try (TwoSides sides = sides(size, features)) {
            long buffer = sides.buffer(16);
            exchange(sides, buffer, start);
            for (int i = 0; i < batch; i++) {
                sides.addOne(buffer);
            }
            new PackedRingBytes(sides).putDeviceEvent(word);
            boolean expected = wanted(word, features != 0, start, start + batch, size);
            String where = String.format("size %d, slots %d + %d, event 0x%x", size, start, batch, word);
            assertEquals(expected, sides.driver.publishAvailable(), where);
            assertFalse(sides.driver.publishAvailable(), "nothing new, so nothing to kick for");
        }
    }

    @Test
    @DisplayName("§2.8.14: the device writes DISABLE to poll, and to sleep ENABLE or, with EVENT_IDX, the next slot")
    void s2_8_14_deviceEventSuppression() {
        for (int size = 1; size <= 4; size++) {
            for (long features : new long[] {0, VirtioFeatures.EVENT_IDX}) {
                try (TwoSides sides = sides(size, features)) {
                    PackedRingBytes memory = new PackedRingBytes(sides);
                    long buffer = sides.buffer(16);
                    assertEquals(word(ENABLE, 0, 0), memory.deviceEvent());
                    for (int n = 0; n < 4 * size; n += 2) {
                        sides.device.suppressKicks();
                        assertEquals(word(DISABLE, 0, 0), memory.deviceEvent());
                        assertTrue(sides.device.armKicks());
                        int armed = features == 0 ? word(ENABLE, 0, 0) : DESCRIPTOR << 16 | position(n, size);
                        assertEquals(armed, memory.deviceEvent());
                        sides.addOne(buffer);
                        assertTrue(sides.driver.publishAvailable(), "armed");
                        assertFalse(sides.device.armKicks(), "there is work");
                        serve(sides);
                        sides.device.suppressKicks();
                        sides.addOne(buffer);
                        assertFalse(sides.driver.publishAvailable(), "suppressed");
                        serve(sides);
                    }
                }
            }
        }
    }

    private static void serve(TwoSides sides) {
        assertTrue(sides.pop());
        sides.device.putUsed(sides.chain, 0);
        sides.device.publishUsed();
        assertTrue(sides.driver.popUsed() >= 0);
    }

    @Test
    @DisplayName("§2.8.14: the driver writes DISABLE to poll, and to sleep ENABLE or, with EVENT_IDX, the next slot")
    void s2_8_14_driverEventSuppression() {
        for (int size = 1; size <= 4; size++) {
            for (long features : new long[] {0, VirtioFeatures.EVENT_IDX}) {
                try (TwoSides sides = sides(size, features)) {
                    PackedRingBytes memory = new PackedRingBytes(sides);
                    long buffer = sides.buffer(16);
                    for (int n = 0; n < 4 * size; n++) {
                        sides.driver.suppressCalls();
                        assertEquals(word(DISABLE, 0, 0), memory.driverEvent());
                        assertTrue(sides.driver.armCalls());
                        int armed = features == 0 ? word(ENABLE, 0, 0) : DESCRIPTOR << 16 | position(n, size);
                        assertEquals(armed, memory.driverEvent());
                        sides.addOne(buffer);
                        sides.driver.publishAvailable();
                        assertTrue(sides.pop());
                        sides.device.putUsed(sides.chain, 0);
                        assertTrue(sides.device.publishUsed(), "armed");
                        assertFalse(sides.driver.armCalls(), "there is work");
                        assertEquals(word(DISABLE, 0, 0), memory.driverEvent(), "suppressed again");
                        assertTrue(sides.driver.popUsed() >= 0);
                    }
                }
            }
        }
    }

    @Test
    @DisplayName("§2.8.16, §2.8.22: notifications without anything new do neither side harm")
    void s2_8_16_spuriousNotifications() {
        try (TwoSides sides = sides(4, 0)) {
            for (int i = 0; i < 3; i++) {
                assertFalse(sides.pop());
                assertTrue(sides.device.armKicks());
                assertEquals(-1, sides.driver.popUsed());
                assertTrue(sides.driver.armCalls());
            }
            assertFalse(sides.device.isBroken());
            assertFalse(sides.driver.isBroken());
        }
    }
}
