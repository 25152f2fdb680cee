package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Our driver against our device, whatever the ring's format: what one side gives is what the other takes. */
class TwoSidedQueueTest {
    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (boolean packed : RingKinds.ALL) {
            for (int size : RingKinds.sizes(packed)) {
                for (long features : RingKinds.FEATURES) {
                    cases.add(Arguments.of(packed, size, features));
                }
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void everyFillLevelAtEveryIndexIncludingTheWraps(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            long buffer = sides.buffer(4096);
            // Rings of up to four descriptors, filled 1 to size deep, for more rounds than the 16-bit index has values.
            int handled = 0;
            for (int round = 0; handled < 70_000; round++) {
                int depth = round % size + 1;
                int[] ids = new int[depth];
                for (int i = 0; i < depth; i++) {
                    ids[i] = sides.driver.add(new long[] {buffer + 16L * i}, new int[] {16}, 0, 1, 0);
                    assertTrue(ids[i] >= 0 && ids[i] < size);
                }
                assertEquals(size - depth, sides.driver.free());
                assertFalse(sides.pop(), "nothing is visible before it is published");
                sides.driver.publishAvailable();
                for (int i = 0; i < depth; i++) {
                    assertTrue(sides.pop());
                    assertEquals(ids[i], sides.chain.id);
                    assertEquals(sides.guest.host(buffer + 16L * i), sides.chain.addresses[0]);
                    sides.device.putUsed(sides.chain, 0);
                }
                assertFalse(sides.pop());
                assertEquals(-1, sides.driver.popUsed(), "nothing is visible before it is published");
                sides.device.publishUsed();
                for (int i = 0; i < depth; i++) {
                    assertEquals(ids[i], sides.driver.popUsed());
                }
                assertEquals(-1, sides.driver.popUsed());
                assertEquals(size, sides.driver.free());
                handled += depth;
            }
            assertNull(sides.driver.brokenReason());
            assertNull(sides.device.brokenReason());
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void everySplitIntoReadableAndWritableSegments(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            long buffer = sides.buffer(4096);
            int[] lengths = new int[size];
            long[] addresses = new long[size];
            for (int i = 0; i < size; i++) {
                addresses[i] = buffer + 64L * i;
                lengths[i] = 10 + i;
            }
            for (int shift = 0; shift < 2 * size; shift++) {
                for (int count = 1; count <= size; count++) {
                    for (int readable = 0; readable <= count; readable++) {
                        check(sides, addresses, lengths, readable, count - readable);
                    }
                }
                check(sides, addresses, lengths, 1, 0);
            }
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void buffersOfOneDescriptorTakeTheIdThatWasForetold(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            long buffer = sides.buffer(4096);
            for (int round = 0; round < 100; round++) {
                boolean writable = round % 3 == 0;
                int depth = round % size + 1;
                for (int i = 0; i < depth; i++) {
                    int id = sides.driver.nextId();
                    // The length changes from round to round, the address goes with the id.
                    assertEquals(id, sides.driver.addOne(buffer + 64L * id, 20 + round, writable));
                }
                assertEquals(depth == size, sides.driver.nextId() < 0);
                sides.driver.publishAvailable();
                for (int i = 0; i < depth; i++) {
                    assertTrue(sides.pop(), sides.device.brokenReason());
                    assertEquals(1, sides.chain.segmentCount);
                    assertEquals(writable ? 0 : 1, sides.chain.readableCount);
                    assertEquals(20 + round, sides.chain.lengths[0]);
                    assertEquals(sides.guest.host(buffer + 64L * sides.chain.id), sides.chain.addresses[0]);
                    sides.device.putUsed(sides.chain, writable ? 20 + round : 0);
                }
                sides.device.publishUsed();
                for (int i = 0; i < depth; i++) {
                    assertTrue(sides.driver.popUsed() >= 0);
                    assertEquals(writable ? 20 + round : 0, sides.driver.usedLength());
                }
            }
            assertEquals(size, sides.driver.free());
        }
    }

    private static void check(TwoSides sides, long[] addresses, int[] lengths, int readable, int writable) {
        int id = sides.driver.add(addresses, lengths, 0, readable, writable);
        sides.driver.publishAvailable();
        assertTrue(sides.pop(), sides.device.brokenReason());
        DescriptorChain chain = sides.chain;
        assertEquals(id, chain.id);
        assertEquals(readable + writable, chain.segmentCount);
        assertEquals(readable, chain.readableCount);
        long readableBytes = 0;
        long writableBytes = 0;
        for (int i = 0; i < readable + writable; i++) {
            assertEquals(sides.guest.host(addresses[i]), chain.addresses[i]);
            assertEquals(lengths[i], chain.lengths[i]);
            readableBytes += i < readable ? lengths[i] : 0;
            writableBytes += i < readable ? 0 : lengths[i];
        }
        assertEquals(readableBytes, chain.readableBytes);
        assertEquals(writableBytes, chain.writableBytes);
        sides.device.putUsed(chain, writableBytes);
        sides.device.publishUsed();
        assertEquals(id, sides.driver.popUsed());
        assertEquals(writableBytes, sides.driver.usedLength());
        assertEquals(sides.driver.size(), sides.driver.free());
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void aFullQueueIsAValue(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            long buffer = sides.buffer(64);
            for (int i = 0; i < size; i++) {
                assertTrue(sides.addOne(buffer) >= 0);
            }
            assertEquals(0, sides.driver.free());
            assertEquals(-1, sides.addOne(buffer));
            sides.driver.publishAvailable();
            assertTrue(sides.pop());
            sides.device.putUsed(sides.chain, 0);
            sides.device.publishUsed();
            assertEquals(-1, sides.addOne(buffer), "a used buffer is free only once the driver has popped it");
            assertEquals(sides.chain.id, sides.driver.popUsed());
            assertTrue(sides.addOne(buffer) >= 0);
            assertFalse(sides.driver.isBroken());
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void completionInEveryOrder(boolean packed, int size, long features) {
        if (VirtioFeatures.has(features, VirtioFeatures.IN_ORDER)) {
            return;
        }
        for (List<Integer> order : permutations(size)) {
            try (TwoSides sides = new TwoSides(packed, size, features)) {
                long buffer = sides.buffer(4096);
                for (int round = 0; round < 3; round++) {
                    List<DescriptorChain> popped = new ArrayList<>();
                    for (int i = 0; i < size; i++) {
                        sides.addOne(buffer + 16L * i);
                    }
                    sides.driver.publishAvailable();
                    for (int i = 0; i < size; i++) {
                        DescriptorChain chain = new DescriptorChain(1);
                        assertTrue(sides.device.pop(chain));
                        popped.add(chain);
                    }
                    for (int i : order) {
                        sides.device.putUsed(popped.get(i), 0);
                    }
                    sides.device.publishUsed();
                    for (int i : order) {
                        assertEquals(popped.get(i).id, sides.driver.popUsed());
                    }
                }
            }
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void indirectTablesTakeOneSlot(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features | VirtioFeatures.INDIRECT_DESC)) {
            long buffer = sides.buffer(4096);
            long[] addresses = new long[size];
            int[] lengths = new int[size];
            for (int i = 0; i < size; i++) {
                addresses[i] = buffer + 32L * i;
                lengths[i] = 7 + i;
            }
            for (int readable = 0; readable <= size; readable++) {
                long[] tables = new long[size];
                int[] ids = new int[size];
                for (int i = 0; i < size; i++) {
                    tables[i] = sides.buffer(16L * size);
                    ids[i] = sides.driver.addIndirect(
                            sides.guest.host(tables[i]), tables[i], addresses, lengths, 0, readable, size - readable);
                    assertTrue(ids[i] >= 0);
                }
                assertEquals(0, sides.driver.free());
                sides.driver.publishAvailable();
                for (int i = 0; i < size; i++) {
                    assertTrue(sides.pop(), sides.device.brokenReason());
                    assertEquals(ids[i], sides.chain.id);
                    assertEquals(size, sides.chain.segmentCount);
                    assertEquals(readable, sides.chain.readableCount);
                    sides.device.putUsed(sides.chain, sides.chain.writableBytes);
                }
                sides.device.publishUsed();
                for (int i = 0; i < size; i++) {
                    assertEquals(ids[i], sides.driver.popUsed());
                }
            }
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void spuriousNotificationsDoNoHarm(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            for (int i = 0; i < 3; i++) {
                assertFalse(sides.pop());
                assertFalse(sides.device.publishUsed());
                assertTrue(sides.device.armKicks());
                assertFalse(sides.driver.publishAvailable());
                assertEquals(-1, sides.driver.popUsed());
                assertTrue(sides.driver.armCalls());
            }
            assertFalse(sides.driver.isBroken());
            assertFalse(sides.device.isBroken());
        }
    }

    @ParameterizedTest(name = "packed={0} size={1} features=0x{2}")
    @MethodSource("rings")
    void aQueueWhoseRingsAreGoneTouchesNothing(boolean packed, int size, long features) {
        try (TwoSides sides = new TwoSides(packed, size, features)) {
            sides.addOne(sides.buffer(64));
            sides.driver.publishAvailable();
            assertTrue(sides.pop());
            assertFalse(sides.device.replaceMemory(GuestMemory.EMPTY));
            // Checked mode would refuse any access, for no ring has an address any more.
            sides.device.putUsed(sides.chain, 0);
            assertFalse(sides.device.publishUsed());
            sides.device.suppressKicks();
            assertTrue(sides.device.armKicks(), "nothing will come, so sleeping is safe");
            assertFalse(sides.pop());
            assertTrue(sides.device.isBroken());
        }
    }

    private static List<List<Integer>> permutations(int n) {
        if (n == 0) {
            return List.of(List.of());
        }
        List<List<Integer>> all = new ArrayList<>();
        for (List<Integer> shorter : permutations(n - 1)) {
            for (int at = 0; at < n; at++) {
                List<Integer> longer = new ArrayList<>(shorter);
                longer.add(at, n - 1);
                all.add(longer);
            }
        }
        return all;
    }
}
