package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Buffers whose descriptors are written once and made available many times. */
class PreparedBufferTest {
    private static final int[] LENGTHS = {16, 512, 1};

    @Test
    void aPreparedBufferIsAddedAgainAndAgain() {
        try (TwoSides sides = new TwoSides(false, 8, 0)) {
            int[] ids = new int[2];
            for (int i = 0; i < 2; i++) {
                ids[i] = sides.driver.prepare(addresses(sides), LENGTHS, 0, 1, 2);
                assertTrue(ids[i] >= 0);
            }
            assertEquals(2, sides.driver.free());
            assertEquals(-1, sides.driver.prepare(addresses(sides), LENGTHS, 0, 1, 2));
            assertFalse(sides.pop(), "preparing makes nothing available");
            for (int round = 0; round < 70_000; round++) {
                int first = ids[round & 1];
                int second = ids[~round & 1];
                sides.driver.addPrepared(first);
                sides.driver.addPrepared(second);
                sides.driver.publishAvailable();
                for (int id : new int[] {first, second}) {
                    assertTrue(sides.pop());
                    assertEquals(id, sides.chain.id);
                    assertEquals(3, sides.chain.segmentCount);
                    assertEquals(1, sides.chain.readableCount);
                    sides.device.putUsed(sides.chain, 513);
                }
                sides.device.publishUsed();
                assertEquals(first, sides.driver.popUsed());
                assertEquals(513, sides.driver.usedLength());
                assertEquals(second, sides.driver.popUsed());
                assertEquals(2, sides.driver.free());
            }
        }
    }

    @Test
    void preparedAndOtherBuffersShareARing() {
        try (TwoSides sides = new TwoSides(false, 8, 0)) {
            int prepared = sides.driver.prepare(addresses(sides), LENGTHS, 0, 1, 2);
            long other = sides.buffer(16);
            for (int round = 0; round < 100; round++) {
                int added = sides.addOne(other);
                sides.driver.addPrepared(prepared);
                sides.driver.publishAvailable();
                while (sides.pop()) {
                    sides.device.putUsed(sides.chain, 0);
                }
                sides.device.publishUsed();
                assertEquals(added, sides.driver.popUsed());
                assertEquals(prepared, sides.driver.popUsed());
                assertEquals(5, sides.driver.free());
            }
        }
    }

    @Test
    void aDeviceThatUsesAPreparedBufferTwiceBreaksTheQueue() {
        try (TwoSides sides = new TwoSides(false, 8, 0)) {
            int prepared = sides.driver.prepare(addresses(sides), LENGTHS, 0, 1, 2);
            int added = sides.addOne(sides.buffer(16));
            sides.driver.addPrepared(prepared);
            sides.driver.publishAvailable();
            assertTrue(sides.pop());
            assertEquals(added, sides.chain.id);
            assertTrue(sides.pop());
            sides.device.putUsed(sides.chain, 0);
            sides.device.putUsed(sides.chain, 0);
            sides.device.publishUsed();
            assertEquals(prepared, sides.driver.popUsed());
            assertEquals(-1, sides.driver.popUsed());
            assertTrue(sides.driver.isBroken());
        }
    }

    @Test
    void layoutsThatWriteDescriptorsAnewRefuse() {
        for (boolean packed : new boolean[] {false, true}) {
            try (TwoSides sides = new TwoSides(packed, 8, VirtioFeatures.IN_ORDER)) {
                assertEquals(-1, sides.driver.prepare(addresses(sides), LENGTHS, 0, 1, 2));
                assertEquals(8, sides.driver.free());
            }
        }
        try (TwoSides sides = new TwoSides(true, 8, 0)) {
            assertThrows(IllegalStateException.class, () -> sides.driver.addPrepared(0));
        }
    }

    private static long[] addresses(TwoSides sides) {
        return new long[] {sides.buffer(16), sides.buffer(512), sides.buffer(1)};
    }
}
