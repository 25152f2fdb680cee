package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every store into a packed ring is seen, and judged by whose slot it goes to (VIRTIO 1.3 §2.8.15, §2.8.16). */
class PackedOwnershipTest {
    static Stream<Arguments> rings() {
        List<Arguments> cases = new ArrayList<>();
        for (int size : new int[] {1, 2, 3, 4, 7}) {
            for (long features : RingKinds.FEATURES) {
                cases.add(Arguments.of(size, features));
            }
        }
        return cases.stream();
    }

    @ParameterizedTest(name = "size={0} features=0x{1}")
    @MethodSource("rings")
    @DisplayName("§2.8.15, §2.8.16: neither side writes to the other's slots, nor to its own after their flags")
    void eachSideWritesToItsOwnSlotsAndFlagsLast(int size, long features) {
        for (long seed = 1; seed <= 20; seed++) {
            try (TwoSides sides = new TwoSides(true, size, features)) {
                new Run(sides, new Random(seed)).actions(500);
            } finally {
                Memory.watchStores(null);
            }
        }
    }

    private static final class Run {
        private final TwoSides sides;
        private final Random random;
        private final int size;
        private final long ring;
        private final long buffer;
        private final boolean inOrder;
        private final boolean[] deviceOwns;
        private final boolean[] flagsWritten;
        private final List<DescriptorChain> held = new ArrayList<>();
        private final Queue<Integer> writtenLengths = new ArrayDeque<>();
        private boolean deviceActs;
        private int nextAvail;
        private int nextUsed;
        private int put;

        Run(TwoSides sides, Random random) {
            this.sides = sides;
            this.random = random;
            size = sides.driver.size();
            ring = new PackedRingBytes(sides).ring();
            buffer = sides.buffer(64);
            inOrder = VirtioFeatures.has(sides.features, VirtioFeatures.IN_ORDER);
            deviceOwns = new boolean[size];
            flagsWritten = new boolean[size];
            Memory.watchStores(this::judge);
        }

        private void judge(long address, long lengthBytes) {
            long offset = address - ring;
            if (offset >= 0 && offset < 16L * size) {
                int slot = (int) (offset / 16);
                assertEquals(deviceActs, deviceOwns[slot], "a store into the other side's slot " + slot);
                assertFalse(flagsWritten[slot], "a store into slot " + slot + " after its flags");
                flagsWritten[slot] = offset % 16 + lengthBytes == 16;
            }
        }

        void actions(int count) {
            int added = 0;
            for (int i = 0; i < count; i++) {
                int action = random.nextInt(6);
                deviceActs = action >= 3;
                switch (action) {
                    case 0 -> added += add();
                    case 1 -> {
                        sides.driver.publishAvailable();
                        handOver(nextAvail, added, true);
                        nextAvail = (nextAvail + added) % size;
                        added = 0;
                    }
                    case 2 -> collect();
                    case 3 -> pop();
                    case 4 -> putOne();
                    default -> {
                        sides.device.publishUsed();
                        handOver(nextUsed, put, false);
                        nextUsed = (nextUsed + put) % size;
                        put = 0;
                    }
                }
            }
            assertNull(sides.device.brokenReason());
            assertNull(sides.driver.brokenReason());
        }

        private void handOver(int from, int count, boolean toDevice) {
            for (int i = 0; i < count; i++) {
                int slot = (from + i) % size;
                assertTrue(!toDevice || flagsWritten[slot], "all flags of a list are set (§2.8.6)");
                deviceOwns[slot] = toDevice;
                flagsWritten[slot] = false;
            }
        }

        private int add() {
            int segments = random.nextInt(Math.min(3, size)) + 1;
            long[] addresses = {buffer, buffer + 16, buffer + 32};
            int[] lengths = {16, 16, 16};
            int readable = random.nextInt(segments + 1);
            return sides.driver.add(addresses, lengths, 0, readable, segments - readable) < 0 ? 0 : segments;
        }

        private void collect() {
            while (sides.driver.popUsed() >= 0) {
                assertEquals((int) writtenLengths.remove(), sides.driver.usedLength());
            }
        }

        private void pop() {
            DescriptorChain chain = new DescriptorChain(1);
            if (sides.device.pop(chain)) {
                held.add(chain);
            }
        }

        private void putOne() {
            if (!held.isEmpty()) {
                DescriptorChain chain = held.get(inOrder ? 0 : random.nextInt(held.size()));
                held.remove(chain);
                int written = (int) chain.writableBytes >> random.nextInt(2);
                writtenLengths.add(written);
                sides.device.putUsed(chain, written);
                put += chain.descriptorCount;
            }
        }
    }
}
