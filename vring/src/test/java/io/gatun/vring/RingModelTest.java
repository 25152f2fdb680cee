package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random use of both sides of a ring, compared step by step with a model made of plain collections. Buffers lie
 * anywhere in three adjacent regions, so their segments cross from one mapping into the next; they are direct or
 * indirect; completion order, batch sizes, notification state and restarts of the device are random.
 *
 * <p>A failure names its seed: {@code -Dgatun.model.seed=N} runs that one alone, {@code -Dgatun.model.seeds=N} that
 * many.
 */
class RingModelTest {
    private static final int STEPS = 600;

    static LongStream seeds() {
        Long one = Long.getLong("gatun.model.seed");
        return one != null ? LongStream.of(one) : LongStream.rangeClosed(1, Long.getLong("gatun.model.seeds", 200));
    }

    @ParameterizedTest(name = "-Dgatun.model.seed={0}")
    @MethodSource("seeds")
    void bothSidesDoWhatTheModelDoes(long seed) {
        Random random = new Random(seed);
        for (boolean packed : RingKinds.ALL) {
            try (Model model = new Model(packed, random)) {
                for (int step = 0; step < STEPS; step++) {
                    model.step();
                }
                model.drain();
            }
        }
    }

    private record Range(long address, int length) {}

    /**
     * A buffer: guest ranges, the first {@code readable} of them device-readable; its table's number if it is indirect.
     */
    private record Buffer(int id, List<Range> ranges, int readable, int slots, int table) {}

    /** A chain the device holds, and how much it wrote. */
    private record Held(Buffer buffer, DescriptorChain chain) {}

    private record Answer(Buffer buffer, long length) {}

    private static final class Model implements AutoCloseable {
        private static final int REGIONS = 3;
        private static final long REGION_BYTES = 8192;

        private final Random random;
        private final TwoSides sides;
        private final TestGuest guest;
        private final boolean eventIdx;
        private final boolean inOrder;
        private final long buffersStart;
        private final long buffersEnd;
        private final Deque<Integer> freeTables = new ArrayDeque<>();
        private final long[] tables;
        private final int maxSegments;

        private final List<Buffer> added = new ArrayList<>();
        private final Deque<Buffer> available = new ArrayDeque<>();
        private final List<Held> held = new ArrayList<>();
        private final List<Answer> put = new ArrayList<>();
        private final Deque<Answer> used = new ArrayDeque<>();
        private final Map<Integer, Buffer> outstanding = new HashMap<>();
        private int free;
        private boolean kickOwed = true;
        private boolean callOwed = true;

        Model(boolean packed, Random random) {
            this.random = random;
            int size = packed ? random.nextInt(1, 20) : 1 << random.nextInt(0, 6);
            long features = RingKinds.FEATURES[random.nextInt(RingKinds.FEATURES.length)];
            long ringBytes = DriverQueue.memoryBytes(packed, size);
            long tableBytes = 16L * size * size;
            // Region 0 ends with the tables, a page at least, so that buffers never lie next to ring memory.
            guest = TestGuest.adjacent(
                    ringBytes + tableBytes + 4096, REGION_BYTES, REGION_BYTES, REGION_BYTES);
            sides = new TwoSides(packed, size, features | VirtioFeatures.INDIRECT_DESC, guest);
            eventIdx = VirtioFeatures.has(features, VirtioFeatures.EVENT_IDX);
            inOrder = VirtioFeatures.has(features, VirtioFeatures.IN_ORDER);
            tables = new long[size];
            for (int i = 0; i < size; i++) {
                tables[i] = guest.allocate(0, 16L * size, 16);
                freeTables.add(i);
            }
            buffersStart = guest.regionStart(1);
            buffersEnd = guest.regionEnd(REGIONS);
            maxSegments = size;
            free = size;
            for (long at = buffersStart; at < buffersEnd; at++) {
                Memory.putByte(guest.host(at), (byte) random.nextInt());
            }
        }

        void step() {
            switch (random.nextInt(14)) {
                case 0, 1, 2, 3 -> add();
                case 4, 5 -> publishAvailable();
                case 6, 7 -> pop();
                case 8, 9 -> put();
                case 10 -> publishUsed();
                case 11 -> popUsed();
                case 12 -> changeNotifications();
                default -> restart();
            }
            assertNull(sides.driver.brokenReason());
            assertNull(sides.device.brokenReason());
            assertEquals(free, sides.driver.free());
        }

        private void add() {
            int count = random.nextInt(1, maxSegments + 2);
            int readable = random.nextInt(count + 1);
            int writable = count - readable;
            List<Range> ranges = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int length = random.nextInt(1, random.nextInt(4) == 0 ? (int) (2 * REGION_BYTES) : 40);
                ranges.add(new Range(random.nextLong(buffersStart, buffersEnd - length + 1), length));
            }
            // One unused element before the buffer, for the sake of `first`.
            long[] addresses = LongStream.concat(LongStream.of(0), ranges.stream().mapToLong(Range::address)).toArray();
            int[] lengths = IntStream.concat(IntStream.of(0), ranges.stream().mapToInt(Range::length)).toArray();
            boolean direct = random.nextBoolean() || freeTables.isEmpty();
            int table = direct ? -1 : freeTables.peek();
            int id;
            if (direct) {
                id = sides.driver.add(addresses, lengths, 1, readable, writable);
            } else {
                long at = tables[table];
                id = sides.driver.addIndirect(guest.host(at), at, addresses, lengths, 1, readable, writable);
            }
            int slots = direct ? count : 1;
            assertEquals(slots <= free && count <= maxSegments, id >= 0);
            if (id >= 0) {
                assertTrue(id < sides.driver.size());
                Buffer buffer = new Buffer(id, ranges, readable, slots, table);
                assertNull(outstanding.put(id, buffer), "the id is still out");
                added.add(buffer);
                free -= slots;
                if (!direct) {
                    freeTables.remove();
                }
            }
        }

        private void publishAvailable() {
            boolean kick = sides.driver.publishAvailable();
            if (added.isEmpty()) {
                assertFalse(kick);
                return;
            }
            if (kickOwed) {
                assertTrue(kick, "the device armed kicks");
                kickOwed = !eventIdx;
            } else if (!eventIdx) {
                assertFalse(kick, "the device suppressed kicks");
            }
            available.addAll(added);
            added.clear();
        }

        private void pop() {
            DescriptorChain chain = new DescriptorChain(random.nextInt(3));
            boolean any = sides.device.pop(chain);
            assertNull(sides.device.brokenReason());
            assertEquals(!available.isEmpty(), any);
            if (any) {
                Buffer buffer = available.remove();
                assertEquals(buffer.id, chain.id);
                check(buffer, chain);
                held.add(new Held(buffer, chain));
            }
        }

        /** The chain's segments are the buffer's ranges, cut where regions meet. */
        private void check(Buffer buffer, DescriptorChain chain) {
            int index = 0;
            int segment = 0;
            long readable = 0;
            long writable = 0;
            for (Range range : buffer.ranges) {
                boolean readableRange = index++ < buffer.readable;
                long at = range.address;
                long end = at + range.length;
                while (at < end) {
                    long piece = Math.min(end - at, guest.memory().contiguousBytes(at));
                    assertEquals(guest.host(at), chain.addresses[segment]);
                    assertEquals(piece, chain.lengths[segment]);
                    assertEquals(readableRange, segment < chain.readableCount);
                    segment++;
                    at += piece;
                }
                readable += readableRange ? range.length : 0;
                writable += readableRange ? 0 : range.length;
            }
            assertEquals(segment, chain.segmentCount);
            assertEquals(readable, chain.readableBytes);
            assertEquals(writable, chain.writableBytes);
        }

        private void put() {
            if (!held.isEmpty()) {
                int at = inOrder ? 0 : random.nextInt(held.size());
                Held one = held.get(at);
                held.subList(at, at + 1).clear();
                long written = random.nextLong(one.chain.writableBytes + 1);
                sides.device.putUsed(one.chain, written);
                put.add(new Answer(one.buffer, written));
            }
        }

        private void publishUsed() {
            boolean call = sides.device.publishUsed();
            if (put.isEmpty()) {
                assertFalse(call);
                return;
            }
            if (callOwed) {
                assertTrue(call, "the driver armed calls");
                callOwed = !eventIdx;
            } else if (!eventIdx) {
                assertFalse(call, "the driver suppressed calls");
            }
            used.addAll(put);
            put.clear();
        }

        private void popUsed() {
            int id = sides.driver.popUsed();
            assertEquals(!used.isEmpty(), id >= 0);
            if (id >= 0) {
                Answer answer = used.remove();
                assertEquals(answer.buffer.id, id);
                assertEquals(answer.length, sides.driver.usedLength());
                outstanding.remove(id);
                free += answer.buffer.slots;
                if (answer.buffer.table >= 0) {
                    freeTables.add(answer.buffer.table);
                }
            }
        }

        private void changeNotifications() {
            switch (random.nextInt(4)) {
                case 0 -> {
                    boolean armed = sides.device.armKicks();
                    assertEquals(available.isEmpty(), armed);
                    kickOwed = armed || (kickOwed && !eventIdx);
                    if (!armed) {
                        sides.device.suppressKicks();
                        kickOwed = false;
                    }
                }
                case 1 -> {
                    boolean armed = sides.driver.armCalls();
                    assertEquals(used.isEmpty(), armed);
                    callOwed = armed;
                }
                case 2 -> {
                    sides.device.suppressKicks();
                    // With EVENT_IDX suppression may leave an old wish in place: a kick may come, but none is owed.
                    kickOwed = false;
                }
                default -> {
                    sides.driver.suppressCalls();
                    callOwed = false;
                }
            }
        }

        /**
         * What GET_VRING_BASE and SET_VRING_BASE do: with nothing in flight, a new device goes on from the old one's
         * base.
         */
        private void restart() {
            if (held.isEmpty() && put.isEmpty()) {
                sides.device = DeviceQueue.create(sides.config(sides.device.base(), 0, 0));
                sides.device.suppressKicks();
                kickOwed = false;
            } else {
                assertTrue(sides.device.replaceMemory(GuestMemory.of(guest.memory().regions())));
            }
        }

        void drain() {
            while (!outstanding.isEmpty()) {
                publishAvailable();
                pop();
                put();
                publishUsed();
                popUsed();
            }
            assertEquals(sides.driver.size(), sides.driver.free());
            assertFalse(sides.pop());
            assertEquals(-1, sides.driver.popUsed());
        }

        @Override
        public void close() {
            guest.close();
        }
    }
}
