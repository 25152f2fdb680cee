package io.gatun.vring;

import static io.gatun.vring.RawPackedRing.AVAIL;
import static io.gatun.vring.RawPackedRing.INDIRECT;
import static io.gatun.vring.RawPackedRing.NEXT;
import static io.gatun.vring.RawPackedRing.USED;
import static io.gatun.vring.RawPackedRing.WRITE;
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
 * A driver that breaks the rules of VIRTIO 1.3 §2.8, one at a time: the queue breaks with a reason, hands out and
 * publishes nothing more, and touches nothing outside guest memory (which checked mode would turn into an exception).
 * Longer than a file should be: one rule, one test, and docs/hostile-inputs.md leads to each.
 */
class PackedHostileDriverTest {
    private static final int SIZE = 8;

    private final RawPackedRing ring = new RawPackedRing(SIZE);
    private final DescriptorChain chain = new DescriptorChain(1);
    private final long buffer = ring.buffer(4096);
    private PackedDeviceQueue device = ring.device(VirtioFeatures.INDIRECT_DESC);

    @AfterEach
    void release() {
        ring.close();
    }

    /** Pops; the queue must break with a reason that says so, leave all guest memory alone and stay broken. */
    private void assertBreaks(String reason) {
        byte[] rings = ring.guest.read(ring.guest.regionStart(0), 4096);
        byte[] buffers = ring.guest.read(ring.guest.regionStart(1), 8192);
        assertFalse(device.pop(chain));
        assertTrue(device.isBroken());
        assertTrue(device.brokenReason().contains(reason), device.brokenReason());
        String first = device.brokenReason();
        assertFalse(device.pop(chain), "a broken queue hands out nothing");
        device.putUsed(chain, 0);
        assertFalse(device.publishUsed(), "a broken queue publishes nothing");
        assertEquals(first, device.brokenReason(), "the first reason stays");
        assertArrayEquals(rings, ring.guest.read(ring.guest.regionStart(0), 4096));
        assertArrayEquals(buffers, ring.guest.read(ring.guest.regionStart(1), 8192));
        assertTrue(device.armKicks(), "nothing will ever come of a broken queue, so sleeping is safe");
    }

    @Test
    @DisplayName("§2.8.17: NEXT on every descriptor of the ring")
    void nextOnEveryDescriptor() {
        for (int i = 0; i < SIZE; i++) {
            ring.offer(i, buffer, 16, i, NEXT);
        }
        assertBreaks("reaches into");
    }

    @Test
    @DisplayName("§2.8.17: a chain that runs on for ever, every slot available on every lap that comes to it")
    void nextForEver() {
        for (int i = 0; i < SIZE; i++) {
            ring.offer(i, buffer, 16, i, i < 3 ? 0 : NEXT);
        }
        for (int i = 0; i < 3; i++) {
            assertTrue(device.pop(chain));
        }
        // Slots 0 to 2 as the second lap wants them: it must be the count that stops the walk, not the flags.
        for (int i = 0; i < 3; i++) {
            ring.descriptor(i, buffer, 16, i, NEXT | USED);
        }
        assertBreaks("3 descriptors that are in use");
    }

    @Test
    @DisplayName("§2.8.16: slots that were popped and not used are made available again")
    void moreOutstandingThanTheRingHolds() {
        for (int i = 0; i < SIZE; i++) {
            ring.offer(i, buffer, 16, i, 0);
        }
        for (int i = 0; i < SIZE; i++) {
            assertTrue(device.pop(chain));
        }
        ring.descriptor(0, buffer, 16, 0, USED);
        assertBreaks("8 descriptors that are in use");
    }

    @Test
    @DisplayName("§2.8.16: slots that were put used and not yet published are made available again")
    void slotsPutButNotPublishedAreInUse() {
        for (int i = 0; i < SIZE; i++) {
            ring.offer(i, buffer, 16, i, 0);
        }
        for (int i = 0; i < SIZE; i++) {
            assertTrue(device.pop(chain));
            device.putUsed(chain, 0);
        }
        ring.descriptor(0, buffer, 16, 0, USED);
        assertBreaks("8 descriptors that are in use");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, AVAIL | USED, USED})
    @DisplayName("§2.8.15: a chain that runs on into a descriptor that is not available")
    void chainRunsIntoAnUnavailableDescriptor(int flags) {
        ring.offer(0, buffer, 16, 0, NEXT);
        ring.descriptor(1, buffer, 16, 0, flags);
        assertBreaks("slot 1, which is not available");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, AVAIL | USED, USED})
    @DisplayName("§2.8.15: flags that do not say available are no descriptor, and no violation")
    void notAvailable(int flags) {
        ring.descriptor(0, buffer, 16, 0, flags | NEXT | INDIRECT);
        assertFalse(device.pop(chain));
        assertNull(device.brokenReason());
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, 0x7fff, 0x8000, 0xffff})
    @DisplayName("§2.8.6: a buffer id beyond the queue's size is the driver's own business")
    void anyIdIsEchoed(int id) {
        ring.offer(0, buffer, 16, id, 0);
        ring.offer(1, buffer, 16, id, WRITE);
        assertTrue(device.pop(chain));
        assertEquals(id, chain.id);
        device.putUsed(chain, 0);
        assertTrue(device.pop(chain));
        device.putUsed(chain, 16);
        device.publishUsed();
        for (int slot = 0; slot < 2; slot++) {
            assertEquals(id, ring.id(slot));
            assertEquals(AVAIL | USED | (slot == 1 ? WRITE : 0), ring.flags(slot));
        }
        assertNull(device.brokenReason());
    }

    @Test
    @DisplayName("§2.8.7: an INDIRECT flag inside an indirect table is ignored: one level, whatever it says")
    void indirectInsideIndirectIsIgnored() {
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, 0x1234, INDIRECT | NEXT | AVAIL | USED);
        ring.descriptorAt(table + 16, buffer + 16, 16, 0x4321, INDIRECT | WRITE);
        ring.offer(0, table, 32, 5, INDIRECT);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(5, chain.id);
        assertEquals(1, chain.descriptorCount);
        assertEquals(2, chain.segmentCount);
        assertEquals(1, chain.readableCount);
        assertEquals(ring.guest.host(buffer), chain.addresses[0]);
        assertEquals(ring.guest.host(buffer + 16), chain.addresses[1]);
    }

    @Test
    @DisplayName("§2.8.7: an indirect table that describes itself is data like any other")
    void indirectTableOfItself() {
        long table = ring.buffer(16);
        ring.descriptorAt(table, table, 16, 0, INDIRECT);
        ring.offer(0, table, 16, 0, INDIRECT);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(ring.guest.host(table), chain.addresses[0]);
        assertEquals(16, chain.readableBytes);
    }

    @Test
    @DisplayName("§2.8.7: an INDIRECT descriptor's own WRITE flag is ignored")
    void writeFlagOfAnIndirectDescriptorIsIgnored() {
        long table = ring.buffer(16);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.offer(0, table, 16, 0, INDIRECT | WRITE);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(1, chain.readableCount);
    }

    @Test
    @DisplayName("§2.8.19: an indirect descriptor with NEXT")
    void indirectWithNext() {
        long table = ring.buffer(16);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.offer(0, table, 16, 0, INDIRECT | NEXT);
        ring.offer(1, buffer, 16, 0, 0);
        assertBreaks("chain of several");
    }

    @Test
    @DisplayName("§2.8.19: an indirect descriptor behind a direct one")
    void indirectAfterDirect() {
        long table = ring.buffer(16);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.offer(0, buffer, 16, 0, NEXT);
        ring.offer(1, table, 16, 0, INDIRECT);
        assertBreaks("chain of several");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 15, 17, 0x7fff_ffffL, 0x8000_0001L, 0xffff_ffffL})
    @DisplayName("§2.8.7: an indirect table whose length is not a positive multiple of 16")
    void indirectTableOfOddLength(long length) {
        ring.offer(0, buffer, length, 0, INDIRECT);
        assertBreaks("multiple of 16");
    }

    @ParameterizedTest
    @ValueSource(longs = {16 * (1024 + 1), 0x7fff_fff0L, 0x8000_0000L, 0xffff_fff0L})
    @DisplayName("§2.8.17: an indirect table longer than the queue and than any that drivers make")
    void indirectTableTooLong(long length) {
        ring.offer(0, buffer, length, 0, INDIRECT);
        assertBreaks("longer than 1024");
    }

    @Test
    @DisplayName("§2.8.19: an indirect descriptor that was not negotiated")
    void indirectNotNegotiated() {
        device = ring.device(0);
        ring.offer(0, buffer, 16, 0, INDIRECT);
        assertBreaks("not negotiated");
    }

    @Test
    @DisplayName("§2.8.7: an indirect table outside memory")
    void indirectTableUnmapped() {
        ring.offer(0, 0x10, 32, 0, INDIRECT);
        assertBreaks("not in one region");
    }

    @Test
    @DisplayName("§2.8.7: an indirect table that runs out of its region")
    void indirectTableStraddles() {
        ring.offer(0, ring.guest.regionEnd(1) - 16, 32, 0, INDIRECT);
        assertBreaks("not in one region");
    }

    @Test
    @DisplayName("§2.8.17: a writable descriptor before a readable one")
    void writableBeforeReadable() {
        ring.offer(0, buffer, 16, 0, WRITE | NEXT);
        ring.offer(1, buffer, 16, 0, 0);
        assertBreaks("device-readable descriptor follows");
    }

    @Test
    @DisplayName("§2.8.17: a table's first descriptor alone may be marked writable by mistake, as DPDK's driver does")
    void writableHeaderInATable() {
        long table = ring.buffer(48);
        ring.descriptorAt(table, buffer, 12, 0, WRITE);
        ring.descriptorAt(table + 16, buffer + 64, 16, 0, 0);
        ring.descriptorAt(table + 32, buffer + 128, 20, 0, WRITE);
        ring.offer(0, table, 48, 0, INDIRECT);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(3, chain.segmentCount);
        assertEquals(2, chain.readableCount);
        assertEquals(28, chain.readableBytes);
        assertEquals(20, chain.writableBytes);
    }

    @Test
    @DisplayName("§2.8.17: writable descriptors before a readable one, in an indirect table")
    void writableBeforeReadableInATable() {
        long table = ring.buffer(48);
        ring.descriptorAt(table, buffer, 16, 0, WRITE);
        ring.descriptorAt(table + 16, buffer, 16, 0, WRITE);
        ring.descriptorAt(table + 32, buffer, 16, 0, 0);
        ring.offer(0, table, 48, 0, INDIRECT);
        assertBreaks("device-readable descriptor follows");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 0x1000, 0x7fff_ffff_ffff_fff0L, 0x8000_0000_0000_0000L, -16, -1})
    @DisplayName("§2.8.5: an address in no region")
    void unmappedAddress(long address) {
        ring.offer(0, address, 8, 0, 0);
        assertBreaks("is in no memory region");
    }

    @Test
    @DisplayName("§2.8.5: a range that starts just below a region")
    void startsBelowARegion() {
        ring.offer(0, ring.guest.regionStart(1) - 1, 8, 0, 0);
        assertBreaks("is in no memory region");
    }

    @ParameterizedTest
    @ValueSource(longs = {17, 4096, 0x7fff_ffffL, 0x8000_0000L, 0xffff_ffffL})
    @DisplayName("§2.8.5: a range that runs out of its region into a gap")
    void straddlesIntoAGap(long length) {
        ring.offer(0, ring.guest.regionEnd(1) - 16, length, 0, WRITE);
        assertBreaks("is in no memory region");
    }

    @Test
    @DisplayName("§2.8.5: a range that wraps around the address space")
    void wrapsAround() {
        ring.offer(0, -16, 0x20, 0, 0);
        assertBreaks("is in no memory region");
    }

    @Test
    @DisplayName("§2.8.5: a descriptor of length zero, alone, later in a chain, and in a table")
    void zeroLength() {
        ring.offer(0, buffer, 0, 0, 0);
        assertBreaks("length 0");
        device = ring.device(VirtioFeatures.INDIRECT_DESC);
        ring.offer(0, buffer, 16, 0, NEXT);
        ring.offer(1, buffer, 0, 0, WRITE);
        assertBreaks("length 0");
        device = ring.device(VirtioFeatures.INDIRECT_DESC);
        long table = ring.buffer(32);
        ring.descriptorAt(table, buffer, 16, 0, 0);
        ring.descriptorAt(table + 16, buffer, 0, 0, WRITE);
        ring.offer(0, table, 32, 0, INDIRECT);
        assertBreaks("length 0");
    }

    @Test
    @DisplayName("A bad chain behind good ones breaks the queue after the good ones were handed out")
    void goodChainsBeforeABadOne() {
        ring.offer(0, buffer, 16, 0, 0);
        ring.offer(1, buffer, 16, 1, 0);
        ring.offer(2, 0, 16, 2, 0);
        ring.offer(3, buffer, 16, 3, 0);
        assertTrue(device.pop(chain));
        assertTrue(device.pop(chain));
        assertBreaks("is in no memory region");
    }

    @Test
    @DisplayName("§2.8.13: a chain of segments in adjacent regions is cut at the border, never assumed contiguous")
    void adjacentRegions() {
        try (TestGuest guest = TestGuest.adjacent(1 << 16, 4096, 4096)) {
            RawPackedRing own = new RawPackedRing(SIZE, guest);
            PackedDeviceQueue queue = own.device(0);
            own.offer(0, guest.regionEnd(1) - 10, 30, 0, WRITE);
            assertTrue(queue.pop(chain), queue.brokenReason());
            assertEquals(2, chain.segmentCount);
            assertEquals(10, chain.lengths[0]);
            assertEquals(20, chain.lengths[1]);
            assertEquals(guest.host(guest.regionStart(2)), chain.addresses[1]);
            assertEquals(30, chain.writableBytes);
            assertEquals(1, chain.descriptorCount);
        }
    }

    @Test
    @DisplayName("§2.8.11: misaligned rings are refused")
    void misalignedRings() {
        QueueConfig good = ring.config(0, 0x8000);
        assertRefused(with(good, good.descriptorAddress() + 8, good.availAddress(), good.usedAddress()), "16-byte");
        assertRefused(with(good, good.descriptorAddress(), good.availAddress() + 2, good.usedAddress()), "4-byte");
        assertRefused(with(good, good.descriptorAddress(), good.availAddress(), good.usedAddress() + 1), "4-byte");
    }

    @Test
    @DisplayName("§2.8.10.1: rings outside memory are refused, even by one byte")
    void ringsOutsideMemory() {
        QueueConfig good = ring.config(0, 0x8000);
        long end = TestGuest.user(ring.guest.regionEnd(0));
        for (long place : new long[] {0, 16, -16, end - 16 * SIZE + 16, end, Long.MIN_VALUE}) {
            assertRefused(with(good, place, good.availAddress(), good.usedAddress()), "descriptor ring");
        }
        for (long place : new long[] {0, 4, -4, end - 2, end, Long.MIN_VALUE}) {
            assertRefused(with(good, good.descriptorAddress(), place, good.usedAddress()), "driver event");
            assertRefused(with(good, good.descriptorAddress(), good.availAddress(), place), "device event");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MIN_VALUE, -1, 0, 32769, 65536, Integer.MAX_VALUE})
    @DisplayName("§2.8: sizes above 32768 are refused")
    void badSizes(int size) {
        QueueConfig good = ring.config(0, 0);
        QueueConfig bad = new QueueConfig(
                size, 0, good.descriptorAddress(), good.availAddress(), good.usedAddress(), 0, good.memory());
        assertRefused(bad, String.valueOf(size));
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, 0x7fff, 0xffff})
    @DisplayName("SET_VRING_BASE beyond the ring is refused")
    void badBase(int base) {
        assertRefused(ring.config(0, base), "base " + (base & 0x7fff));
    }

    @Test
    @DisplayName("Linux fills an indirect table up to the device's limit, whatever the queue's size: that is taken")
    void indirectTableLongerThanTheQueue() {
        long table = ring.buffer(16 * 128);
        for (int i = 0; i < 128; i++) {
            ring.descriptorAt(table + 16L * i, buffer + i, 1, 0, 0);
        }
        ring.offer(0, table, 16 * 128, 0, INDIRECT);
        assertTrue(device.pop(chain), device.brokenReason());
        assertEquals(128, chain.segmentCount);
        assertEquals(1, chain.descriptorCount);
    }

    @Test
    @DisplayName("SET_MEM_TABLE without the rings breaks the queue; with them it goes on")
    void ringsVanishFromMemory() {
        ring.offer(0, buffer, 16, 0, 0);
        assertTrue(device.replaceMemory(ring.guest.memory()));
        assertTrue(device.pop(chain));
        assertFalse(device.replaceMemory(GuestMemory.EMPTY));
        assertTrue(device.brokenReason().contains("descriptor ring"), device.brokenReason());
        assertFalse(device.publishUsed());
    }

    private static QueueConfig with(QueueConfig good, long descriptors, long avail, long used) {
        return new QueueConfig(good.size(), good.features(), descriptors, avail, used, 0x8000, good.memory());
    }

    private static void assertRefused(QueueConfig config, String words) {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> new PackedDeviceQueue(config));
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }
}
