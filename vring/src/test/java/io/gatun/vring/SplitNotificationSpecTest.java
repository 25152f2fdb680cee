package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * The clauses of VIRTIO 1.3 §2.7.7 and §2.7.10: who is notified, and when. Names begin with the section; the table in
 * docs/virtio-clauses.md leads here.
 */
class SplitNotificationSpecTest {
    private static TwoSides sides(int size, long features) {
        return new TwoSides(false, size, features);
    }

    @Test
    @DisplayName("§2.7.7.1: without EVENT_IDX the driver's flags are 0 or 1 and suppress calls")
    void s2_7_7_1_driverFlags() {
        try (TwoSides sides = sides(4, 0)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            assertEquals(0, memory.availFlags());
            sides.driver.suppressCalls();
            assertEquals(1, memory.availFlags());
            assertTrue(sides.driver.armCalls());
            assertEquals(0, memory.availFlags());
            assertEquals(0, memory.usedEvent(), "used_event is not written");
            memory.putUsedIdx(1);
            assertFalse(sides.driver.armCalls());
            assertEquals(1, memory.availFlags(), "suppressed again, for there is work");
        }
    }

    @Test
    @DisplayName("§2.7.7.1: with EVENT_IDX the driver's flags stay 0 and used_event says when")
    void s2_7_7_1_driverUsedEvent() {
        try (TwoSides sides = sides(4, VirtioFeatures.EVENT_IDX)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            long buffer = sides.buffer(16);
            for (int i = 0; i < 65536 + 10; i += 2) {
                sides.driver.suppressCalls();
                assertEquals(0, memory.availFlags());
                sides.addOne(buffer);
                sides.driver.publishAvailable();
                sides.pop();
                sides.device.putUsed(sides.chain, 0);
                assertFalse(sides.device.publishUsed(), "suppressed");
                assertTrue(sides.driver.popUsed() >= 0);
                assertTrue(sides.driver.armCalls());
                assertEquals(0, memory.availFlags());
                assertEquals(i + 1 & 0xffff, memory.usedEvent());
                sides.addOne(buffer);
                sides.driver.publishAvailable();
                sides.pop();
                sides.device.putUsed(sides.chain, 0);
                assertTrue(sides.device.publishUsed(), "armed");
                assertFalse(sides.driver.armCalls());
                assertTrue(sides.driver.popUsed() >= 0);
            }
        }
    }

    @Test
    @DisplayName("§2.7.7.1: a call without used buffers does the driver no harm")
    void s2_7_7_1_spuriousCalls() {
        try (TwoSides sides = sides(4, 0)) {
            assertEquals(-1, sides.driver.popUsed());
            assertEquals(-1, sides.driver.popUsed());
            assertTrue(sides.driver.armCalls());
            assertFalse(sides.driver.isBroken());
        }
    }

    @Test
    @DisplayName("§2.7.7.2: without EVENT_IDX the device calls unless flags is 1, whatever used_event says")
    void s2_7_7_2_deviceCallsByFlags() {
        for (int flags = 0; flags <= 1; flags++) {
            for (int event = 0; event <= 8; event++) {
                try (RawSplitRing ring = new RawSplitRing(4)) {
                    SplitDeviceQueue device = ring.device(0);
                    ring.availFlags(flags);
                    ring.usedEvent(event);
                    assertEquals(flags == 0, useOne(ring, device));
                    assertFalse(device.publishUsed(), "nothing new, so nothing to call for");
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.7.2: with EVENT_IDX the device calls exactly when it crosses used_event, whatever flags says")
    void s2_7_7_2_deviceCallsByUsedEvent() {
        for (int start : new int[] {0, 1, 0x7fff, 0xfffc, 0xfffd, 0xfffe, 0xffff}) {
            for (int batch = 1; batch <= 4; batch++) {
                for (int event = start - 6; event <= start + 6; event++) {
                    for (int flags = 0; flags <= 1; flags++) {
                        try (RawSplitRing ring = new RawSplitRing(4)) {
                            ring.setUsedIdx(start);
                            ring.availIdx(start);
                            SplitDeviceQueue device = new SplitDeviceQueue(
                                    ring.config(VirtioFeatures.EVENT_IDX, start));
                            ring.availFlags(flags);
                            ring.usedEvent(event);
                            boolean crossed = event >= start && event < start + batch;
                            String where = start + " + " + batch + ", event " + event;
                            assertEquals(crossed, use(ring, device, batch), where);
                        }
                    }
                }
            }
        }
    }

    private static boolean useOne(RawSplitRing ring, SplitDeviceQueue device) {
        return use(ring, device, 1);
    }

    private static boolean use(RawSplitRing ring, SplitDeviceQueue device, int batch) {
        DescriptorChain chain = new DescriptorChain(1);
        long buffer = ring.buffer(16);
        for (int i = 0; i < batch; i++) {
            ring.descriptor(i, buffer, 16, 0, 0);
            ring.offer(i);
            assertTrue(device.pop(chain), device.brokenReason());
            device.putUsed(chain, 0);
        }
        return device.publishUsed();
    }

    @Test
    @DisplayName("§2.7.10.1: the driver initialises the used ring's flags to 0")
    void s2_7_10_1_driverInitialisesUsedFlags() {
        try (TwoSides sides = sides(4, 0)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            Memory.putShort(memory.used(), 1);
            DriverQueue again = DriverQueue.create(
                    false, 4, 0, memory.descriptors(), sides.driver.descriptorAddress());
            assertEquals(sides.driver.usedAddress(), again.usedAddress());
            assertEquals(0, memory.usedFlags());
        }
    }

    @Test
    @DisplayName("§2.7.10.1: without EVENT_IDX the driver kicks unless flags is 1, whatever avail_event says")
    void s2_7_10_1_driverKicksByFlags() {
        for (int flags = 0; flags <= 1; flags++) {
            for (int event = 0; event <= 8; event++) {
                try (TwoSides sides = sides(4, 0)) {
                    SplitRingBytes memory = new SplitRingBytes(sides);
                    memory.putAvailEvent(event);
                    Memory.putShort(memory.used(), flags);
                    sides.addOne(sides.buffer(16));
                    assertEquals(flags == 0, sides.driver.publishAvailable());
                    assertFalse(sides.driver.publishAvailable(), "nothing new, so nothing to kick for");
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.10.1: with EVENT_IDX the driver kicks exactly when it crosses avail_event, whatever flags says")
    void s2_7_10_1_driverKicksByAvailEvent() {
        for (int start : new int[] {0, 1, 5, 0xfffe}) {
            // The start across the wrap takes long to reach, so only the batch that covers all others starts there.
            for (int batch = start > 5 ? 4 : 1; batch <= 4; batch++) {
                for (int event = start - 6; event <= start + 6; event++) {
                    try (TwoSides sides = sides(4, VirtioFeatures.EVENT_IDX)) {
                        SplitRingBytes memory = new SplitRingBytes(sides);
                        long buffer = sides.buffer(16);
                        for (int i = 0; i < start; i++) {
                            sides.addOne(buffer);
                            sides.driver.publishAvailable();
                            sides.pop();
                            sides.device.putUsed(sides.chain, 0);
                            sides.device.publishUsed();
                            sides.driver.popUsed();
                        }
                        memory.putAvailEvent(event);
                        Memory.putShort(memory.used(), event & 1);
                        for (int i = 0; i < batch; i++) {
                            sides.addOne(buffer);
                        }
                        boolean crossed = event >= start && event < start + batch;
                        String where = start + " + " + batch + ", event " + event;
                        assertEquals(crossed, sides.driver.publishAvailable(), where);
                    }
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.10.2: without EVENT_IDX the device's flags are 0 or 1 and suppress kicks")
    void s2_7_10_2_deviceFlags() {
        try (TwoSides sides = sides(4, 0)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            assertEquals(0, memory.usedFlags());
            sides.device.suppressKicks();
            assertEquals(1, memory.usedFlags());
            sides.addOne(sides.buffer(16));
            assertFalse(sides.driver.publishAvailable());
            assertFalse(sides.device.armKicks(), "there is work");
            assertTrue(sides.pop());
            assertTrue(sides.device.armKicks());
            assertEquals(0, memory.usedFlags());
            assertEquals(0, memory.availEvent(), "avail_event is not written");
            sides.addOne(sides.buffer(16));
            assertTrue(sides.driver.publishAvailable());
        }
    }

    @Test
    @DisplayName("§2.7.10.2: with EVENT_IDX the device's flags stay 0 and avail_event asks for the very next buffer")
    void s2_7_10_2_deviceAvailEvent() {
        try (TwoSides sides = sides(4, VirtioFeatures.EVENT_IDX)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            long buffer = sides.buffer(16);
            for (int i = 0; i < 65536 + 10; i++) {
                sides.device.suppressKicks();
                assertEquals(0, memory.usedFlags());
                assertTrue(sides.device.armKicks());
                assertEquals(0, memory.usedFlags());
                assertEquals(i & 0xffff, memory.availEvent());
                sides.addOne(buffer);
                assertTrue(sides.driver.publishAvailable(), "armed");
                assertFalse(sides.device.armKicks());
                assertTrue(sides.pop());
                sides.device.putUsed(sides.chain, 0);
                sides.device.publishUsed();
                assertTrue(sides.driver.popUsed() >= 0);
            }
        }
    }

    @Test
    @DisplayName("§2.7.10.2: a kick without available buffers does the device no harm")
    void s2_7_10_2_spuriousKicks() {
        try (TwoSides sides = sides(4, 0)) {
            assertFalse(sides.pop());
            assertFalse(sides.pop());
            assertTrue(sides.device.armKicks());
            assertFalse(sides.device.isBroken());
        }
    }
}
