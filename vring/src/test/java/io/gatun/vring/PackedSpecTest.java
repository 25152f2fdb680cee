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

import io.gatun.linux.Memory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * The clauses of VIRTIO 1.3 §2.8 one by one, exhaustively where the state space is small. Names begin with the section;
 * the table in docs/virtio-clauses.md leads here. Longer than a file should be, as the section is, in its order.
 */
class PackedSpecTest {
    private static TwoSides sides(int size, long features) {
        return new TwoSides(true, size, features);
    }

    /** Moves an idle ring {@code slots} slots on. */
    private static void advance(TwoSides sides, long buffer, int slots) {
        for (int i = 0; i < slots; i++) {
            sides.addOne(buffer);
            sides.driver.publishAvailable();
            assertTrue(sides.pop());
            sides.device.putUsed(sides.chain, 0);
            sides.device.publishUsed();
            assertTrue(sides.driver.popUsed() >= 0);
        }
    }

    private static int addMany(TwoSides sides, long buffer, int readable, int writable) {
        long[] addresses = new long[readable + writable];
        int[] lengths = new int[readable + writable];
        for (int i = 0; i < addresses.length; i++) {
            addresses[i] = buffer + 16L * i;
            lengths[i] = 16;
        }
        return sides.driver.add(addresses, lengths, 0, readable, writable);
    }

    @Test
    @DisplayName("§2.8.1: both wrap counters begin with 1 and flip after the last slot; the flags say so")
    void s2_8_1_wrapCounters() {
        for (int size = 1; size <= 5; size++) {
            try (TwoSides sides = sides(size, 0)) {
                PackedRingBytes memory = new PackedRingBytes(sides);
                long buffer = sides.buffer(16);
                int wrap = 1;
                int slot = 0;
                for (int i = 0; i < 5 * size; i++) {
                    int available = wrap == 1 ? AVAIL : USED;
                    int used = wrap == 1 ? AVAIL | USED : 0;
                    sides.addOne(buffer);
                    sides.driver.publishAvailable();
                    assertEquals(available, memory.flags(slot));
                    assertTrue(sides.pop());
                    sides.device.putUsed(sides.chain, 0);
                    sides.device.publishUsed();
                    assertEquals(used, memory.flags(slot));
                    assertTrue(sides.driver.popUsed() >= 0);
                    slot++;
                    if (slot == size) {
                        slot = 0;
                        wrap ^= 1;
                    }
                    assertEquals((slot | wrap << 15) * 0x1_0001, sides.device.base());
                }
            }
        }
    }

    @Test
    @DisplayName("§2.8.2, §2.8.12: used descriptors go where the used position is, in the order of completion")
    void s2_8_2_usedInOrderOfCompletion() {
        // Two chains of a and b descriptors, completed in reverse: the first used one tells of b, a slots on is the
        // next.
        for (int size = 2; size <= 6; size++) {
            for (int start = 0; start < 2 * size; start++) {
                for (int a = 1; a < size; a++) {
                    for (int b = 1; a + b <= size; b++) {
                        reversed(size, start, a, b);
                    }
                }
            }
        }
    }

    private static void reversed(int size, int start, int a, int b) {
        try (TwoSides sides = sides(size, 0)) {
            PackedRingBytes memory = new PackedRingBytes(sides);
            long buffer = sides.buffer(256);
            advance(sides, buffer, start);
            int first = addMany(sides, buffer, a, 0);
            int second = addMany(sides, buffer, b, 0);
            sides.driver.publishAvailable();
            DescriptorChain one = new DescriptorChain(1);
            DescriptorChain two = new DescriptorChain(1);
            assertTrue(sides.device.pop(one));
            assertTrue(sides.device.pop(two));
            assertEquals(first, one.id);
            assertEquals(second, two.id);
            sides.device.putUsed(two, 0);
            sides.device.putUsed(one, 0);
            sides.device.publishUsed();
            assertEquals(second, memory.id(start % size));
            assertEquals(first, memory.id((start + b) % size));
            assertEquals(second, sides.driver.popUsed());
            assertEquals(first, sides.driver.popUsed());
            assertEquals(size, sides.driver.free());
        }
    }

    @Test
    @DisplayName("§2.8.3, §2.8.4: a used descriptor has WRITE and a length if and only if something was written")
    void s2_8_3_writeFlagOfUsedDescriptors() {
        try (TwoSides sides = sides(4, 0)) {
            PackedRingBytes memory = new PackedRingBytes(sides);
            long buffer = sides.buffer(64);
            long[] written = {0, 1, 16, 0x1_0000, 0xffff_ffffL};
            for (int i = 0; i < written.length; i++) {
                addMany(sides, buffer, 1, 1);
                sides.driver.publishAvailable();
                assertTrue(sides.pop());
                sides.device.putUsed(sides.chain, written[i]);
                sides.device.publishUsed();
                int slot = 2 * i % 4;
                assertEquals(written[i] != 0, (memory.flags(slot) & WRITE) != 0);
                assertEquals(written[i], memory.length(slot));
                assertTrue(sides.driver.popUsed() >= 0);
                assertEquals(written[i], sides.driver.usedLength());
            }
        }
    }

    @Test
    @DisplayName("§2.8.4: the driver ignores the length of a used descriptor without WRITE")
    void s2_8_4_lengthWithoutWriteIsIgnored() {
        try (TwoSides sides = sides(4, 0)) {
            int id = sides.addOne(sides.buffer(16));
            sides.driver.publishAvailable();
            new PackedRingBytes(sides).use(0, id, 77, AVAIL | USED);
            assertEquals(id, sides.driver.popUsed());
            assertEquals(0, sides.driver.usedLength());
        }
    }

    @Test
    @DisplayName("§2.8.6, §2.8.13, §2.8.17: chains of every length from every position, readable first, id in the last")
    void s2_8_6_chainsFromEveryPosition() {
        for (int size = 1; size <= 5; size++) {
            for (int start = 0; start < 2 * size; start++) {
                for (int count = 1; count <= size; count++) {
                    for (int readable = 0; readable <= count; readable++) {
                        chain(size, start, count, readable);
                    }
                }
            }
        }
    }

    private static void chain(int size, int start, int count, int readable) {
        try (TwoSides sides = sides(size, 0)) {
            PackedRingBytes memory = new PackedRingBytes(sides);
            long buffer = sides.buffer(256);
            advance(sides, buffer, start);
            int id = addMany(sides, buffer, readable, count - readable);
            sides.driver.publishAvailable();
            for (int i = 0; i < count; i++) {
                int slot = (start + i) % size;
                int wrap = (start + i) / size % 2 == 0 ? 1 : 0;
                assertEquals(buffer + 16L * i, memory.address(slot));
                assertEquals(16, memory.length(slot));
                int expected = (i < readable ? 0 : WRITE) | (i < count - 1 ? NEXT : 0) | (wrap == 1 ? AVAIL : USED);
                assertEquals(expected, memory.flags(slot), "all flags are right in all descriptors");
            }
            assertEquals(id, memory.id((start + count - 1) % size));
            assertTrue(sides.pop(), sides.device.brokenReason());
            assertEquals(id, sides.chain.id);
            assertEquals(count, sides.chain.descriptorCount);
            assertEquals(readable, sides.chain.readableCount);
            for (int i = 0; i < count; i++) {
                assertEquals(sides.guest.host(buffer + 16L * i), sides.chain.addresses[i]);
            }
            sides.device.putUsed(sides.chain, 0);
            sides.device.publishUsed();
            int wrap = start / size % 2 == 0 ? 1 : 0;
            assertEquals(wrap == 1 ? AVAIL | USED : 0, memory.flags(start % size), "one used descriptor for all");
            assertEquals(id, sides.driver.popUsed());
            assertEquals(-1, sides.driver.popUsed());
            assertEquals(size, sides.driver.free());
        }
    }

    @Test
    @DisplayName("§2.8.6: the id that counts is the last descriptor's")
    void s2_8_6_idOfTheLastDescriptor() {
        try (RawPackedRing ring = new RawPackedRing(4)) {
            PackedDeviceQueue device = ring.device(0);
            long buffer = ring.buffer(64);
            ring.offer(2, buffer, 16, 33, 0);
            ring.offer(1, buffer, 16, 22, NEXT);
            ring.offer(0, buffer, 16, 11, NEXT);
            DescriptorChain chain = new DescriptorChain(1);
            assertTrue(device.pop(chain));
            assertEquals(33, chain.id);
            device.putUsed(chain, 0);
            device.publishUsed();
            assertEquals(33, ring.id(0));
        }
    }

    @Test
    @DisplayName("§2.8.6, §2.8.17, §2.8.21.1.1: the device sees nothing of a batch before the driver's very last store")
    void s2_8_6_driverNeverShowsAPartialChain() {
        for (int size = 1; size <= 5; size++) {
            for (int start = 0; start < 2 * size; start++) {
                try (TwoSides sides = sides(size, 0)) {
                    long buffer = sides.buffer(256);
                    advance(sides, buffer, start);
                    DescriptorChain early = new DescriptorChain(1);
                    Memory.watchStores((address, length) -> assertFalse(sides.device.pop(early)));
                    addMany(sides, buffer, size - size / 2, 0);
                    if (size > 1) {
                        addMany(sides, buffer, 0, size / 2);
                    }
                    sides.driver.publishAvailable();
                    Memory.watchStores(null);
                    assertTrue(sides.pop());
                } finally {
                    Memory.watchStores(null);
                }
            }
        }
    }

    @Test
    @DisplayName("§2.8.9, §2.8.15: the driver sees nothing of a batch before the device's very last store")
    void s2_8_9_deviceShowsABatchAtOnce() {
        for (long features : RingKinds.FEATURES) {
            for (int size = 1; size <= 5; size++) {
                for (int start = 0; start < 2 * size; start++) {
                    try (TwoSides sides = sides(size, features)) {
                        long buffer = sides.buffer(256);
                        advance(sides, buffer, start);
                        for (int i = 0; i < size; i++) {
                            addMany(sides, buffer, 0, 1);
                        }
                        sides.driver.publishAvailable();
                        Memory.watchStores((address, length) -> assertEquals(-1, sides.driver.popUsed()));
                        for (int i = 0; i < size; i++) {
                            assertTrue(sides.pop());
                            sides.device.putUsed(sides.chain, i % 2 == 0 ? 16 : 3);
                        }
                        sides.device.publishUsed();
                        Memory.watchStores(null);
                        for (int i = 0; i < size; i++) {
                            assertTrue(sides.driver.popUsed() >= 0);
                            assertEquals(i % 2 == 0 ? 16 : 3, sides.driver.usedLength());
                        }
                    } finally {
                        Memory.watchStores(null);
                    }
                }
            }
        }
    }

    @Test
    @DisplayName("§2.8.7, §2.8.19: the driver's tables: whole, WRITE the only flag, one slot, negotiated")
    void s2_8_7_driverIndirectTables() {
        try (TwoSides sides = sides(4, VirtioFeatures.INDIRECT_DESC)) {
            PackedRingBytes memory = new PackedRingBytes(sides);
            long table = sides.buffer(16 * 5);
            long host = sides.guest.host(table);
            long[] addresses = {0x1000, 0x2000, 0x3000, 0x4000, 0x5000};
            int[] lengths = {1, 2, 3, 4, 5};
            assertEquals(-1, sides.driver.addIndirect(host, table, addresses, lengths, 0, 5, 0), "beyond the queue");
            int id = sides.driver.addIndirect(host, table, addresses, lengths, 0, 3, 1);
            sides.driver.publishAvailable();
            assertEquals(INDIRECT | AVAIL, memory.flags(0));
            assertEquals(table, memory.address(0));
            assertEquals(64, memory.length(0));
            assertEquals(id, memory.id(0));
            for (int i = 0; i < 4; i++) {
                assertEquals(addresses[i], Memory.getLong(host + 16L * i));
                assertEquals(lengths[i], Memory.getUnsignedInt(host + 16L * i + 8));
                assertEquals(i < 3 ? 0 : WRITE, Memory.getUnsignedShort(host + 16L * i + 14));
            }
            assertEquals(3, sides.driver.free());
        }
        try (TwoSides sides = sides(4, 0)) {
            long table = sides.buffer(16);
            long host = sides.guest.host(table);
            assertThrows(
                    IllegalStateException.class,
                    () -> sides.driver.addIndirect(host, table, new long[] {1}, new int[] {1}, 0, 1, 0));
        }
    }

    @Test
    @DisplayName("§2.8.8: in order, one used descriptor stands for all buffers before it that were used completely")
    void s2_8_8_oneUsedDescriptorPerRun() {
        for (int size = 1; size <= 5; size++) {
            for (int start = 0; start < 2 * size; start++) {
                // Bit i: buffer i is used completely.
                for (int complete = 0; complete < 1 << size; complete++) {
                    run(size, start, complete);
                }
            }
        }
    }

    private static void run(int size, int start, int complete) {
        try (TwoSides sides = sides(size, VirtioFeatures.IN_ORDER)) {
            PackedRingBytes memory = new PackedRingBytes(sides);
            long buffer = sides.buffer(16);
            advance(sides, buffer, start);
            int[] ids = new int[size];
            for (int i = 0; i < size; i++) {
                ids[i] = addMany(sides, buffer, 0, 1);
            }
            sides.driver.publishAvailable();
            int runStart = 0;
            for (int i = 0; i < size; i++) {
                assertTrue(sides.pop());
                sides.device.putUsed(sides.chain, (complete >> i & 1) == 1 ? 16 : 5);
            }
            sides.device.publishUsed();
            for (int i = 0; i < size; i++) {
                boolean last = i == size - 1 || (complete >> i & 1) == 0;
                if (last) {
                    assertEquals(ids[i], memory.id((start + runStart) % size), "the last id in the first slot");
                    runStart = i + 1;
                }
            }
            for (int i = 0; i < size; i++) {
                assertEquals(ids[i], sides.driver.popUsed());
                assertEquals((complete >> i & 1) == 1 ? 16 : 5, sides.driver.usedLength());
            }
            assertEquals(-1, sides.driver.popUsed());
            assertEquals(size, sides.driver.free());
        }
    }

    @Test
    @DisplayName("§2.8.10.1: every part is aligned, none overlap, and sizes need not be powers of two")
    void s2_8_10_1_partsAndSizes() {
        for (int size : new int[] {1, 2, 3, 5, 7, 100, 1000, 1023, 1024, 32767, 32768}) {
            try (TwoSides sides = sides(size, 0)) {
                long ring = sides.driver.descriptorAddress();
                long driverEvent = sides.driver.availAddress();
                long deviceEvent = sides.driver.usedAddress();
                assertEquals(0, ring % 16);
                assertEquals(0, driverEvent % 4);
                assertEquals(0, deviceEvent % 4);
                assertTrue(ring + 16L * size <= driverEvent);
                assertTrue(driverEvent + 4 <= deviceEvent);
                assertTrue(deviceEvent + 4 <= ring + DriverQueue.memoryBytes(true, size));
                advance(sides, sides.buffer(16), 2 * size + 3);
                assertNull(sides.device.brokenReason());
            }
        }
    }

    @Test
    @DisplayName("§2.8.15: the device changes no readable buffer, no driver event, and no slot but the used one")
    void s2_8_15_deviceWritesOnlyUsedSlots() {
        for (long features : RingKinds.FEATURES) {
            try (RawPackedRing ring = new RawPackedRing(4)) {
                PackedDeviceQueue device = ring.device(features);
                long buffer = ring.buffer(64);
                DescriptorChain chain = new DescriptorChain(1);
                ring.driverEvent(3, 1, 2);
                ring.offer(1, buffer + 16, 16, 9, WRITE);
                ring.offer(0, buffer, 16, 8, NEXT);
                byte[] before = ring.guest.read(ring.ring + 16, 52);
                assertTrue(device.pop(chain));
                device.putUsed(chain, 16);
                device.publishUsed();
                device.suppressKicks();
                device.armKicks();
                assertArrayEquals(before, ring.guest.read(ring.ring + 16, 52));
                assertArrayEquals(new byte[64], ring.guest.read(buffer, 64));
            }
        }
    }

    @Test
    @DisplayName("§2.8.15: the device uses nothing whose AVAIL flag has not changed, as on a zeroed ring")
    void s2_8_15_zeroedRingHoldsNothing() {
        for (int size = 1; size <= 4; size++) {
            try (RawPackedRing ring = new RawPackedRing(size)) {
                PackedDeviceQueue device = ring.device(0);
                assertFalse(device.pop(new DescriptorChain(1)));
                assertTrue(device.armKicks());
                assertFalse(device.isBroken());
            }
        }
    }

    @Test
    @DisplayName("§2.8.17: the driver makes no chain longer than the queue, and none that does not fit now")
    void s2_8_17_driverChainFits() {
        for (int size = 1; size <= 5; size++) {
            try (TwoSides sides = sides(size, 0)) {
                long buffer = sides.buffer(256);
                assertEquals(-1, addMany(sides, buffer, size + 1, 0));
                assertTrue(addMany(sides, buffer, 1, 0) >= 0);
                assertEquals(-1, addMany(sides, buffer, size, 0));
                assertEquals(size - 1, sides.driver.free());
            }
        }
    }

    @Test
    @DisplayName("§2.8.21.3: the device takes what is available without waiting for a kick")
    void s2_8_21_3_noKickNeeded() {
        try (RawPackedRing ring = new RawPackedRing(4)) {
            ring.offer(0, ring.buffer(16), 16, 0, 0);
            assertTrue(ring.device(0).pop(new DescriptorChain(1)));
        }
    }

    @Test
    @DisplayName("SET_VRING_BASE, GET_VRING_BASE: a queue goes on from every position of an idle ring")
    void baseOfEveryPosition() {
        for (int size = 1; size <= 4; size++) {
            try (TwoSides sides = sides(size, 0)) {
                long buffer = sides.buffer(16);
                for (int i = 0; i < 4 * size; i++) {
                    int base = sides.device.base();
                    sides.device = DeviceQueue.create(sides.config(base, 0, 0));
                    assertEquals(base, sides.device.base());
                    advance(sides, buffer, 1);
                    // DPDK's front-end gives the available half only.
                    sides.device = DeviceQueue.create(sides.config(sides.device.base() & 0xffff, 0, 0));
                }
            }
        }
    }
}
