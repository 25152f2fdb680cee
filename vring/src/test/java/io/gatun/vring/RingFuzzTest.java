package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gatun.linux.Memory;
import io.gatun.testkit.Fuzz;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Rings of garbage: a broken queue at worst, chains that lie in guest memory, and never an access outside of it, which
 * checked mode turns into an exception. Plausible values are mixed in, or no round would get beyond its first check.
 */
class RingFuzzTest {
    private static final int BUFFER_BYTES = 4096;
    private static final int TABLE_ENTRIES = 16;
    private static final int STEPS = 6;
    private static final long[] FEATURES = {
        0,
        VirtioFeatures.EVENT_IDX,
        VirtioFeatures.INDIRECT_DESC,
        VirtioFeatures.INDIRECT_DESC | VirtioFeatures.EVENT_IDX,
        VirtioFeatures.INDIRECT_DESC | VirtioFeatures.IN_ORDER
    };

    @Test
    @DisplayName("§2.7: split rings of garbage")
    void splitRings() {
        Fuzz.rounds(RingFuzzTest::splitRing);
    }

    @Test
    @DisplayName("§2.8: packed rings of garbage")
    void packedRings() {
        Fuzz.rounds(RingFuzzTest::packedRing);
    }

    @Tag("fuzz")
    @FuzzTest
    void fuzzSplitRing(byte[] input) {
        splitRing(Fuzz.choices(input));
    }

    @Tag("fuzz")
    @FuzzTest
    void fuzzPackedRing(byte[] input) {
        packedRing(Fuzz.choices(input));
    }

    private static void splitRing(RandomGenerator random) {
        int size = 1 << random.nextInt(6);
        try (RawSplitRing ring = new RawSplitRing(size)) {
            long buffer = ring.buffer(BUFFER_BYTES);
            int idx = random.nextInt(1 << 16);
            ring.availIdx(idx);
            ring.setUsedIdx(idx);
            DeviceQueue queue = new SplitDeviceQueue(ring.config(anyFeatures(random), idx));
            for (int step = 0; step < STEPS && !queue.isBroken(); step++) {
                for (int i = 0; i < size; i++) {
                    int next = random.nextInt(size + 1);
                    ring.descriptor(i, anyAddress(random, buffer), anyLength(random), anyFlags(random), next);
                }
                fillTable(random, ring.guest, buffer);
                for (int offered = random.nextInt(size) + 1; offered > 0; offered--) {
                    int head = random.nextInt(40) == 0 ? random.nextInt(1 << 16) : random.nextInt(size);
                    Memory.putShort(ring.guest.host(ring.avail + 4 + 2L * (idx++ & (size - 1))), head);
                }
                ring.availIdx(random.nextInt(20) == 0 ? random.nextInt(1 << 16) : idx);
                ring.availFlags(random.nextInt());
                ring.usedEvent(random.nextInt());
                serve(random, queue);
            }
        }
    }

    private static void packedRing(RandomGenerator random) {
        int size = random.nextInt(1, 40);
        try (RawPackedRing ring = new RawPackedRing(size)) {
            long buffer = ring.buffer(BUFFER_BYTES);
            int wrap = random.nextInt(2);
            int base = RawPackedRing.base(random.nextInt(size), wrap);
            DeviceQueue queue = new PackedDeviceQueue(ring.config(anyFeatures(random), base));
            for (int step = 0; step < STEPS && !queue.isBroken(); step++) {
                for (int i = 0; i < size; i++) {
                    int phase = random.nextInt(8) == 0 ? random.nextInt(1 << 16) : RawPackedRing.available(wrap);
                    int id = random.nextInt(1 << 16);
                    ring.descriptor(i, anyAddress(random, buffer), anyLength(random), id, phase | anyFlags(random));
                }
                fillTable(random, ring.guest, buffer);
                Memory.putInt(ring.guest.host(ring.driverEvent), random.nextInt());
                serve(random, queue);
                wrap ^= random.nextInt(2);
            }
        }
    }

    private static long anyFeatures(RandomGenerator random) {
        return FEATURES[random.nextInt(FEATURES.length)];
    }

    private static long anyAddress(RandomGenerator random, long buffer) {
        return random.nextInt(12) == 0 ? random.nextLong() : buffer + random.nextInt(BUFFER_BYTES);
    }

    private static long anyLength(RandomGenerator random) {
        return random.nextInt(12) == 0 ? random.nextLong() & 0xffff_ffffL : 16L * random.nextInt(1, TABLE_ENTRIES);
    }

    /** NEXT, WRITE and INDIRECT, which have the same places in both layouts. */
    private static int anyFlags(RandomGenerator random) {
        return random.nextInt(3) == 0 ? random.nextInt(8) : random.nextBoolean() ? RawSplitRing.WRITE : 0;
    }

    /** Descriptors that an indirect one may point at; what one layout takes for flags is the other one's next or id. */
    private static void fillTable(RandomGenerator random, TestGuest guest, long buffer) {
        for (int i = 0; i < TABLE_ENTRIES; i++) {
            long at = guest.host(buffer + 16L * i);
            long flags = (long) anyFlags(random) << 32 | (long) random.nextInt(TABLE_ENTRIES) << 48;
            Memory.putLong(at, anyAddress(random, buffer));
            Memory.putLong(at + 8, anyLength(random) | flags);
        }
    }

    /** Takes what there is, one by one or in bursts, and gives some of it back. */
    private static void serve(RandomGenerator random, DeviceQueue queue) {
        if (random.nextBoolean()) {
            DescriptorChain chain = new DescriptorChain(1);
            for (int i = 0; i < 2 * queue.size() && queue.pop(chain); i++) {
                checkSegments(chain.addresses, chain.lengths, 0, chain.segmentCount);
                assertTrue(chain.readableCount <= chain.segmentCount);
                if (random.nextInt(8) != 0) {
                    queue.putUsed(chain, random.nextLong(chain.writableBytes + 1));
                }
            }
        } else {
            ChainBurst burst = new ChainBurst(8);
            int count = queue.popBurst(burst, random.nextInt(1, 9));
            for (int i = 0; i < count; i++) {
                checkSegments(burst.addresses, burst.lengths, burst.firstSegments[i], burst.segmentCounts[i]);
            }
            int kept = random.nextInt(count + 1);
            queue.unpop(burst, kept);
            queue.putUsedBurst(burst, 0, kept);
        }
        boolean call = queue.publishUsed();
        assertFalse(call && queue.isBroken(), "a broken queue publishes nothing");
        if (random.nextBoolean()) {
            queue.suppressKicks();
        } else if (queue.armKicks() && !queue.isBroken()) {
            assertFalse(queue.pop(new DescriptorChain(1)), "it said that nothing is available");
        }
    }

    /** Touches both ends of each segment: checked mode refuses what is in no mapping. */
    private static void checkSegments(long[] addresses, int[] lengths, int first, int count) {
        assertTrue(count > 0, "a chain without segments");
        for (int i = first; i < first + count; i++) {
            assertTrue(lengths[i] > 0, "an empty segment");
            Memory.touch(addresses[i], lengths[i]);
        }
    }
}
