package io.gatun.vring;

import static io.gatun.vring.RawSplitRing.INDIRECT;
import static io.gatun.vring.RawSplitRing.NEXT;
import static io.gatun.vring.RawSplitRing.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A driver that breaks the rules of VIRTIO 1.3 §2.7, one at a time: the queue breaks with a reason, hands out and
 * publishes nothing more, and touches nothing outside guest memory (which checked mode would turn into an exception).
 */
class SplitHostileDriverTest {
    private static final int SIZE = 8;

    private final RawSplitRing ring = new RawSplitRing(SIZE);
    private final DescriptorChain chain = new DescriptorChain(1);
    private final long buffer = ring.buffer(4096);
    private SplitDeviceQueue device = ring.device(VirtioFeatures.INDIRECT_DESC);

    @AfterEach
    void release() {
        ring.close();
    }

    /** Pops; the queue must break with a reason that says so, leave all guest memory alone and stay broken. */
    private void assertBreaks(String reason) {
        assertFalse(device.pop(chain));
        assertTrue(device.isBroken());
        assertTrue(device.brokenReason().contains(reason), device.brokenReason());
        String first = device.brokenReason();
        ring.descriptor(7, buffer, 16, 0, 0);
        ring.offer(7);
        assertFalse(device.pop(chain), "a broken queue hands out nothing");
        device.putUsed(chain, 0);
        assertFalse(device.publishUsed(), "a broken queue publishes nothing");
        assertEquals(0, ring.usedIdx());
        assertTrue(device.armKicks(), "nothing will ever come of a broken queue, so sleeping is safe");
        assertEquals(first, device.brokenReason(), "the first reason stays");
    }

    private void assertBreaksWithoutWriting(String reason) {
        byte[] memory = everything();
        assertFalse(device.pop(chain));
        assertArrayEquals(memory, everything());
        assertBreaks(reason);
    }

    private byte[] everything() {
        return ring.guest.read(ring.guest.regionStart(1), 8192);
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, SIZE + 1, 0x7fff, 0x8000, 0xffff})
    @DisplayName("§2.7.13.2: an available element beyond the descriptor table")
    void headBeyondTheTable(int head) {
        ring.offer(head);
        assertBreaksWithoutWriting("names descriptor " + head);
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE + 1, 0x7fff, 0x8000, 0xffff})
    @DisplayName("§2.7.6.1: the available index jumps by more than the queue's size, or back")
    void availIdxJumps(int idx) {
        ring.availIdx(idx);
        assertBreaksWithoutWriting("avail.idx");
    }

    @Test
    @DisplayName("§2.7.13: more buffers outstanding than the ring can hold")
    void moreOutstandingThanTheRingHolds() {
        for (int i = 0; i < SIZE; i++) {
            ring.descriptor(i, buffer, 16, 0, 0);
            ring.offer(i);
        }
        for (int i = 0; i < SIZE; i++) {
            assertTrue(device.pop(chain));
        }
        ring.offer(0);
        assertBreaksWithoutWriting("outstanding");
    }

    @Test
    @DisplayName("§2.7.5.2: a descriptor that leads to itself")
    void loopOfOne() {
        ring.descriptor(0, buffer, 16, NEXT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("loop");
    }

    @Test
    @DisplayName("§2.7.5.2: a chain that loops through the whole table")
    void loopOfAll() {
        for (int i = 0; i < SIZE; i++) {
            ring.descriptor(i, buffer, 16, NEXT, (i + 1) % SIZE);
        }
        ring.offer(3);
        assertBreaksWithoutWriting("loop");
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, 0x8000, 0xffff})
    @DisplayName("§2.7.5: next beyond the descriptor table")
    void nextBeyondTheTable(int next) {
        ring.descriptor(0, buffer, 16, NEXT, next);
        ring.offer(0);
        assertBreaksWithoutWriting("next is " + next);
    }

    @Test
    @DisplayName("§2.7.5.3.1: an indirect descriptor inside an indirect table")
    void indirectInsideIndirect() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, table, 16, INDIRECT, 0);
        ring.descriptor(0, table, 16, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("indirect table holds an indirect descriptor");
    }

    @Test
    @DisplayName("§2.7.5.3.1: an indirect descriptor with NEXT")
    void indirectWithNext() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.descriptor(0, table, 16, INDIRECT | NEXT, 1);
        ring.descriptor(1, buffer, 16, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("NEXT");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 15, 17, 0x7fff_ffffL, 0x8000_0001L, 0xffff_ffffL})
    @DisplayName("§2.7.5.3: an indirect table whose length is not a positive multiple of 16")
    void indirectTableOfOddLength(long length) {
        ring.descriptor(0, buffer, length, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("multiple of 16");
    }

    @ParameterizedTest
    @ValueSource(longs = {16 * (1024 + 1), 0x7fff_fff0L, 0x8000_0000L, 0xffff_fff0L})
    @DisplayName("§2.7.5.3.1: an indirect table longer than the queue and than any that drivers make")
    void indirectTableTooLong(long length) {
        ring.descriptor(0, buffer, length, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("longer than 1024");
    }

    @Test
    @DisplayName("§2.7.5.3.1: an indirect descriptor that was not negotiated")
    void indirectNotNegotiated() {
        device = ring.device(0);
        ring.descriptor(0, buffer, 16, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("not negotiated");
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 0xffff})
    @DisplayName("§2.7.5.3: next beyond the indirect table")
    void nextBeyondTheIndirectTable(int next) {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, NEXT, next);
        ring.descriptorAt(table + 16, buffer, 16, 0, 0);
        ring.descriptor(0, table, 32, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("next is " + next + " in a table of 2");
    }

    @Test
    @DisplayName("§2.7.5.2: an indirect table that loops")
    void indirectTableLoops() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, NEXT, 1);
        ring.descriptorAt(table + 16, buffer, 16, NEXT, 0);
        ring.descriptor(0, table, 32, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("loop");
    }

    @Test
    @DisplayName("§2.7.5.3: an indirect table outside memory")
    void indirectTableUnmapped() {
        ring.descriptor(0, 0x10, 32, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("not in one region");
    }

    @Test
    @DisplayName("§2.7.5.3: an indirect table that runs out of its region")
    void indirectTableStraddles() {
        ring.descriptor(0, ring.guest.regionEnd(1) - 16, 32, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("not in one region");
    }

    @Test
    @DisplayName("§2.7.4.2: a writable descriptor before a readable one")
    void writableBeforeReadable() {
        ring.descriptor(0, buffer, 16, WRITE | NEXT, 1);
        ring.descriptor(1, buffer, 16, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("device-readable descriptor follows");
    }

    @Test
    @DisplayName("§2.7.4.2: a writable descriptor before a readable indirect table")
    void writableBeforeReadableIndirect() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.descriptor(0, buffer, 16, WRITE | NEXT, 1);
        ring.descriptor(1, table, 16, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("device-readable descriptor follows");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 0x1000, 0x7fff_ffff_ffff_fff0L, 0x8000_0000_0000_0000L, -16, -1})
    @DisplayName("§2.7.5: an address in no region")
    void unmappedAddress(long address) {
        ring.descriptor(0, address, 8, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("is in no memory region");
    }

    @Test
    @DisplayName("§2.7.5: a range that starts just below a region")
    void startsBelowARegion() {
        ring.descriptor(0, ring.guest.regionStart(1) - 1, 8, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("is in no memory region");
    }

    @ParameterizedTest
    @ValueSource(longs = {17, 4096, 0x7fff_ffffL, 0x8000_0000L, 0xffff_ffffL})
    @DisplayName("§2.7.5: a range that runs out of its region into a gap")
    void straddlesIntoAGap(long length) {
        ring.descriptor(0, ring.guest.regionEnd(1) - 16, length, WRITE, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("is in no memory region");
    }

    @Test
    @DisplayName("§2.7.5: a range that wraps around the address space")
    void wrapsAround() {
        ring.descriptor(0, -16, 0x20, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("is in no memory region");
    }

    @Test
    @DisplayName("§2.7.13.1: a descriptor of length zero")
    void zeroLength() {
        ring.descriptor(0, buffer, 0, 0, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("length 0");
    }

    @Test
    @DisplayName("§2.7.13.1: a later descriptor of length zero, in an indirect table")
    void zeroLengthInATable() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, NEXT, 1);
        ring.descriptorAt(table + 16, buffer, 0, WRITE, 0);
        ring.descriptor(0, table, 32, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("length 0");
    }

    @Test
    @DisplayName("§2.7.5.3.1: a chain that is too long by way of its indirect table")
    void directAndIndirectTogetherTooLong() {
        long table = ring.buffer(16 * 1024);
        for (int i = 0; i < 1024; i++) {
            ring.descriptorAt(table + 16L * i, buffer, 16, i < 1023 ? NEXT : 0, i + 1);
        }
        ring.descriptor(0, buffer, 16, NEXT, 1);
        ring.descriptor(1, table, 16 * 1024, INDIRECT, 0);
        ring.offer(0);
        assertBreaksWithoutWriting("longer than 1024");
    }

    @Test
    @DisplayName("A bad chain behind good ones breaks the queue after the good ones were handed out")
    void goodChainsBeforeABadOne() {
        ring.descriptor(0, buffer, 16, 0, 0);
        ring.descriptor(1, buffer, 16, 0, 0);
        ring.descriptor(2, 0, 16, 0, 0);
        ring.descriptor(3, buffer, 16, 0, 0);
        ring.offer(0);
        ring.offer(1);
        ring.offer(2);
        ring.offer(3);
        assertTrue(device.pop(chain));
        assertTrue(device.pop(chain));
        assertBreaks("is in no memory region");
    }

    @Test
    @DisplayName("§2.7.1: misaligned rings are refused")
    void misalignedRings() {
        QueueConfig good = ring.config(0, 0);
        assertRefused(with(good, good.descriptorAddress() + 8, good.availAddress(), good.usedAddress()), "16-byte");
        assertRefused(with(good, good.descriptorAddress(), good.availAddress() + 1, good.usedAddress()), "2-byte");
        assertRefused(with(good, good.descriptorAddress(), good.availAddress(), good.usedAddress() + 2), "4-byte");
    }

    @Test
    @DisplayName("§2.7: rings outside memory are refused, even by one byte")
    void ringsOutsideMemory() {
        QueueConfig good = ring.config(0, 0);
        long end = TestGuest.user(ring.guest.regionEnd(0));
        long[] descriptorPlaces = {0, 16, -16, end - 16 * SIZE + 16, end, Long.MIN_VALUE};
        for (long place : descriptorPlaces) {
            assertRefused(with(good, place, good.availAddress(), good.usedAddress()), "descriptor table");
        }
        long[] availPlaces = {0, 2, -2, end - (6 + 2 * SIZE) + 2, end, Long.MIN_VALUE};
        for (long place : availPlaces) {
            assertRefused(with(good, good.descriptorAddress(), place, good.usedAddress()), "available ring");
        }
        long[] usedPlaces = {0, 4, -4, end - (6 + 8 * SIZE) + 2, end, Long.MIN_VALUE};
        for (long place : usedPlaces) {
            assertRefused(with(good, good.descriptorAddress(), good.availAddress(), place), "used ring");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MIN_VALUE, -1, 0, 3, 6, 32767, 32769, 65536, Integer.MAX_VALUE})
    @DisplayName("§2.7: sizes that are no power of two, or above 32768, are refused")
    void badSizes(int size) {
        QueueConfig good = ring.config(0, 0);
        IllegalArgumentException refusal = assertThrows(
                IllegalArgumentException.class,
                () -> new SplitDeviceQueue(new QueueConfig(
                        size, 0, good.descriptorAddress(), good.availAddress(), good.usedAddress(), 0, good.memory())));
        assertTrue(refusal.getMessage().contains(String.valueOf(size)), refusal.getMessage());
    }

    @Test
    @DisplayName("Linux fills an indirect table up to the device's limit, whatever the queue's size: that is taken")
    void indirectTableLongerThanTheQueue() {
        long table = ring.buffer(16 * 128);
        for (int i = 0; i < 128; i++) {
            ring.descriptorAt(table + 16L * i, buffer + i, 1, i < 127 ? NEXT : 0, i + 1);
        }
        ring.descriptor(0, table, 16 * 128, INDIRECT, 0);
        ring.offer(0);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(128, chain.segmentCount);
    }

    @Test
    @DisplayName("SET_MEM_TABLE without the rings breaks the queue; with them it goes on")
    void ringsVanishFromMemory() {
        ring.descriptor(0, buffer, 16, 0, 0);
        ring.offer(0);
        assertTrue(device.replaceMemory(ring.guest.memory()));
        assertTrue(device.pop(chain));
        assertFalse(device.replaceMemory(GuestMemory.EMPTY));
        assertTrue(device.brokenReason().contains("descriptor table"), device.brokenReason());
        assertFalse(device.pop(chain));
        assertTrue(device.armKicks());
        assertFalse(device.publishUsed());
    }

    @Test
    @DisplayName("A length above 2 GiB is one descriptor and several segments, never a negative length")
    void hugeLengthInMappedMemory() {
        long length = 0x8000_1000L;
        try (TestGuest big = TestGuest.apart(1 << 16, length + 4096)) {
            RawSplitRing huge = new RawSplitRing(SIZE, big);
            SplitDeviceQueue queue = huge.device(0);
            huge.descriptor(0, big.regionStart(1), length, WRITE, 0);
            huge.offer(0);
            assertTrue(queue.pop(chain), queue.brokenReason());
            long sum = 0;
            for (int i = 0; i < chain.segmentCount; i++) {
                assertTrue(chain.lengths[i] > 0);
                assertEquals(big.host(big.regionStart(1)) + sum, chain.addresses[i]);
                sum += chain.lengths[i];
            }
            assertEquals(length, sum);
            assertEquals(length, chain.writableBytes);
            assertNull(queue.brokenReason());
        }
    }

    private static QueueConfig with(QueueConfig good, long descriptors, long avail, long used) {
        return new QueueConfig(good.size(), good.features(), descriptors, avail, used, 0, good.memory());
    }

    private static void assertRefused(QueueConfig config, String words) {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> new SplitDeviceQueue(config));
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }
}
