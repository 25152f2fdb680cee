package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Bursts are what single chains are, several at a time: same buffers, same order, same refusals. */
class ChainBurstTest {
    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (int size : packed ? new int[] {1, 3, 4, 16, 100} : new int[] {1, 4, 16, 128}) {
                for (long features : RingKinds.FEATURES) {
                    cases.add(Arguments.of(packed, size, features));
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void everyBufferArrivesOnceInOrderWhateverIsGivenBackUnused(boolean packed, int size, long features) {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        try (TwoSides sides = new TwoSides(packed, size, features | VirtioFeatures.INDIRECT_DESC)) {
            Load load = new Load(sides, random);
            ChainBurst burst = new ChainBurst(1 + random.nextInt(40));
            while (load.taken < 3_000) {
                load.add();
                int base = sides.device.base();
                int max = 1 + random.nextInt(burst.capacity());
                int count = sides.device.popBurst(burst, max);
                assertNull(sides.device.brokenReason());
                assertEquals(count, burst.count);
                assertTrue(count > 0 && count <= max);
                int keep = random.nextInt(count + 1);
                sides.device.unpop(burst, keep);
                assertEquals(keep, burst.count);
                if (keep == 0) {
                    assertEquals(base, sides.device.base(), "a successor finds what was given back");
                }
                load.take(burst);
            }
        }
    }

    /** A driver with all kinds of buffers, which knows what the device must see. */
    private static final class Load {
        private final TwoSides sides;
        private final Random random;
        private final ArrayDeque<Buffer> outstanding = new ArrayDeque<>();
        private final ArrayDeque<Buffer> used = new ArrayDeque<>();
        private final long memory;
        private final long[] tables = new long[256];
        int taken;

        private static final class Buffer {
            final int id;
            final long[] addresses;
            final int[] lengths;
            final int readable;

            Buffer(int id, long[] addresses, int[] lengths, int readable) {
                this.id = id;
                this.addresses = addresses;
                this.lengths = lengths;
                this.readable = readable;
            }
        }

        Load(TwoSides sides, Random random) {
            this.sides = sides;
            this.random = random;
            memory = sides.buffer(1 << 16);
            for (int i = 0; i < tables.length; i++) {
                tables[i] = sides.buffer(64);
            }
        }

        void add() {
            for (int tries = 1 + random.nextInt(8); tries > 0 || outstanding.isEmpty(); tries--) {
                int segments = random.nextInt(3) == 0 ? 1 + random.nextInt(4) : 1;
                segments = Math.min(segments, sides.driver.size());
                int readable = segments == 1 ? random.nextInt(2) : random.nextInt(segments + 1);
                long[] addresses = new long[segments];
                int[] lengths = new int[segments];
                for (int i = 0; i < segments; i++) {
                    lengths[i] = 1 + random.nextInt(2000);
                    addresses[i] = memory + random.nextInt(60_000);
                }
                int writable = segments - readable;
                int id = segments > 1 && random.nextBoolean()
                        ? addIndirect(addresses, lengths, readable, writable)
                        : sides.driver.add(addresses, lengths, 0, readable, writable);
                if (id < 0) {
                    break;
                }
                outstanding.add(new Buffer(id, addresses, lengths, readable));
            }
            sides.driver.publishAvailable();
        }

        /** More tables than buffers can be outstanding, used in turn. */
        private int addIndirect(long[] addresses, int[] lengths, int readable, int writable) {
            long table = tables[nextTable++ % tables.length];
            return sides.driver.addIndirect(
                    sides.guest.host(table), table, addresses, lengths, 0, readable, writable);
        }

        private int nextTable;

        void take(ChainBurst burst) {
            int cut = random.nextInt(burst.count + 1);
            for (int i = 0; i < burst.count; i++) {
                Buffer buffer = outstanding.remove();
                check(burst, i, buffer);
                burst.writtenBytes[i] = random.nextBoolean()
                        ? (int) burst.writableBytes(i)
                        : random.nextInt((int) burst.writableBytes(i) + 1);
                used.add(buffer);
            }
            sides.device.putUsedBurst(burst, 0, cut);
            sides.device.putUsedBurst(burst, cut, burst.count);
            assertTrue(sides.driver.popUsed() < 0, "nothing is visible before it is published");
            sides.device.publishUsed();
            int last = 0;
            for (int i = 0; i < burst.count; i++) {
                Buffer buffer = used.remove();
                assertEquals(buffer.id, sides.driver.popUsed());
                last = i;
            }
            if (burst.count != 0) {
                assertEquals(burst.writtenBytes[last], sides.driver.usedLength());
            }
            assertNull(sides.driver.brokenReason());
            taken += burst.count;
        }

        private void check(ChainBurst burst, int at, Buffer buffer) {
            assertEquals(buffer.readable, burst.readableCounts[at]);
            assertEquals(buffer.lengths.length, burst.segmentCounts[at]);
            long readableBytes = 0;
            for (int s = 0; s < buffer.lengths.length; s++) {
                int segment = burst.firstSegments[at] + s;
                assertEquals(sides.guest.host(buffer.addresses[s]), burst.addresses[segment]);
                assertEquals(buffer.lengths[s], burst.lengths[segment]);
                readableBytes += s < buffer.readable ? buffer.lengths[s] : 0;
            }
            assertEquals(readableBytes, burst.readableBytes(at));
        }
    }

    @Test
    void aHeadOutsideTheTableInTheMiddleOfABurstBreaksTheQueue() {
        try (RawSplitRing ring = new RawSplitRing(8)) {
            SplitDeviceQueue device = ring.device(0);
            ring.descriptor(0, ring.buffer(64), 64, 0, 0);
            ring.offer(0);
            ring.offer(8);
            assertRefuses(device, "names descriptor 8");
        }
    }

    @Test
    void aLoopInTheMiddleOfABurstBreaksTheQueue() {
        try (RawSplitRing ring = new RawSplitRing(8)) {
            SplitDeviceQueue device = ring.device(0);
            long buffer = ring.buffer(64);
            ring.descriptor(0, buffer, 64, 0, 0);
            ring.descriptor(1, buffer, 64, RawSplitRing.NEXT, 1);
            ring.offer(0);
            ring.offer(1);
            assertRefuses(device, "loops");
        }
    }

    @Test
    void anUnmappedOrEmptyBufferInTheMiddleOfABurstBreaksTheQueue() {
        try (RawSplitRing split = new RawSplitRing(8);
                RawPackedRing packed = new RawPackedRing(8)) {
            split.descriptor(0, split.buffer(64), 64, 0, 0);
            split.descriptor(1, 0x10, 64, 0, 0);
            split.offer(0);
            split.offer(1);
            assertRefuses(split.device(0), "no memory region");
            packed.offer(0, packed.buffer(64), 64, 0, 0);
            packed.offer(1, packed.buffer(64), 0, 1, 0);
            assertRefuses(packed.device(0), "length 0");
        }
    }

    @Test
    void aPackedRingThatNeverWaitsForItsBuffersBreaksTheQueue() {
        try (RawPackedRing ring = new RawPackedRing(4)) {
            PackedDeviceQueue device = ring.device(0);
            long buffer = ring.buffer(64);
            for (int i = 0; i < 4; i++) {
                ring.offer(i, buffer, 64, i, 0);
            }
            ChainBurst burst = new ChainBurst(8);
            assertEquals(4, device.popBurst(burst, 8));
            // The next lap's descriptor in a slot that is the device's.
            ring.descriptor(0, buffer, 64, 0, RawPackedRing.available(0));
            assertRefuses(device, "in use");
        }
    }

    @Test
    void aSplitRingThatNeverWaitsForItsBuffersBreaksTheQueue() {
        try (RawSplitRing ring = new RawSplitRing(4)) {
            SplitDeviceQueue device = ring.device(0);
            ring.descriptor(0, ring.buffer(64), 64, 0, 0);
            for (int i = 0; i < 4; i++) {
                ring.offer(0);
            }
            assertEquals(4, device.popBurst(new ChainBurst(8), 8));
            ring.offer(0);
            assertRefuses(device, "outstanding");
        }
    }

    @Test
    void aQueueThatIsBrokenInBetweenHandsOutAndPublishesNothing() {
        for (boolean packed : RingKinds.ALL) {
            try (TwoSides sides = new TwoSides(packed, 4, 0)) {
                long buffer = sides.buffer(64);
                sides.addOne(buffer);
                sides.addOne(buffer);
                sides.driver.publishAvailable();
                ChainBurst burst = new ChainBurst(4);
                assertEquals(1, sides.device.popBurst(burst, 1));
                sides.device.breakQueue("the test says so");
                sides.device.putUsedBurst(burst, 0, 1);
                assertFalse(sides.device.publishUsed());
                assertEquals(-1, sides.driver.popUsed());
                assertRefuses(sides.device, "the test says so");
            }
        }
    }

    @Test
    void aQueueWithAnInFlightLogHasNoBursts() {
        for (boolean packed : RingKinds.ALL) {
            try (TwoSides sides = new TwoSides(packed, 4, 0)) {
                long bytes = InflightLayout.regionBytes(packed, 4);
                long region = sides.guest.host(sides.buffer(bytes));
                DeviceQueue device = DeviceQueue.create(sides.config(TwoSides.firstBase(packed), region, bytes));
                assertThrows(IllegalStateException.class, () -> device.popBurst(new ChainBurst(1), 1));
            }
        }
    }

    private static void assertRefuses(DeviceQueue device, String reason) {
        ChainBurst burst = new ChainBurst(8);
        assertEquals(0, device.popBurst(burst, 8));
        assertEquals(0, burst.count);
        assertTrue(device.brokenReason().contains(reason), device.brokenReason());
        assertEquals(0, device.popBurst(burst, 8), "a broken queue hands out nothing");
    }
}
