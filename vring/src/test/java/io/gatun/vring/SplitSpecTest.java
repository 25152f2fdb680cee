package io.gatun.vring;

import static io.gatun.vring.RawSplitRing.INDIRECT;
import static io.gatun.vring.RawSplitRing.NEXT;
import static io.gatun.vring.RawSplitRing.WRITE;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The clauses of VIRTIO 1.3 §2.7 one by one, exhaustively where the state space is small. Names begin with the section;
 * the table in docs/virtio-clauses.md leads here.
 */
class SplitSpecTest {
    private static final int[] SIZES = {1, 2, 4};

    private static TwoSides sides(int size, long features) {
        return new TwoSides(false, size, features);
    }

    @Test
    @DisplayName("§2.7.1: the driver aligns every part, and no two parts overlap")
    void s2_7_1_partsAreAligned() {
        for (int size = 1; size <= 32768; size *= 2) {
            try (TwoSides sides = sides(size, VirtioFeatures.EVENT_IDX)) {
                long descriptors = sides.driver.descriptorAddress();
                long avail = sides.driver.availAddress();
                long used = sides.driver.usedAddress();
                assertEquals(0, descriptors % 16);
                assertEquals(0, avail % 2);
                assertEquals(0, used % 4);
                assertTrue(descriptors + 16L * size <= avail);
                assertTrue(avail + 6 + 2L * size <= used);
                assertTrue(used + 6 + 8L * size <= descriptors + DriverQueue.memoryBytes(false, size));
            }
        }
    }

    @Test
    @DisplayName("§2.7.4.1: the device takes any arrangement of segments, and says only where bytes are")
    void s2_7_4_1_anyArrangement() {
        try (RawSplitRing ring = new RawSplitRing(8)) {
            SplitDeviceQueue device = ring.device(0);
            long buffer = ring.buffer(64);
            DescriptorChain chain = new DescriptorChain(1);
            // Every way to cut 6 readable bytes into 1 to 6 descriptors.
            for (int cuts = 0; cuts < 32; cuts++) {
                int descriptors = 0;
                int start = 0;
                for (int at = 1; at <= 6; at++) {
                    if (at == 6 || (cuts & 1 << (at - 1)) != 0) {
                        ring.descriptor(descriptors, buffer + start, at - start, at < 6 ? NEXT : 0, descriptors + 1);
                        descriptors++;
                        start = at;
                    }
                }
                ring.offer(0);
                assertTrue(device.pop(chain));
                assertEquals(6, chain.readableBytes);
                assertEquals(0, chain.writableBytes);
                assertEquals(descriptors, chain.segmentCount);
                device.putUsed(chain, 0);
                device.publishUsed();
            }
        }
    }

    @Test
    @DisplayName("§2.7.4.2, §2.7.13.1: the driver puts readable elements first and fills each descriptor as asked")
    void s2_7_4_2_driverPutsReadableFirst() {
        for (int size : SIZES) {
            try (TwoSides sides = sides(size, 0)) {
                SplitRingBytes memory = new SplitRingBytes(sides);
                long[] addresses = {0x1000, 0x2000_0000_0000L, -16, 0x3000};
                int[] lengths = {1, 15, 0x8000_0000, 16};
                for (int count = 1; count <= size; count++) {
                    for (int readable = 0; readable <= count; readable++) {
                        int head = sides.driver.add(addresses, lengths, 0, readable, count - readable);
                        int at = head;
                        for (int i = 0; i < count; i++) {
                            assertEquals(addresses[i], memory.address(at));
                            assertEquals(lengths[i] & 0xffff_ffffL, memory.length(at));
                            int expected = (i < readable ? 0 : WRITE) | (i < count - 1 ? NEXT : 0);
                            assertEquals(expected, memory.flags(at));
                            at = memory.next(at);
                        }
                        sides.driver.publishAvailable();
                        Memory.putLong(memory.used() + 4 + 8L * (memory.usedIdx() & (size - 1)), head);
                        memory.putUsedIdx(memory.usedIdx() + 1);
                        assertEquals(head, sides.driver.popUsed());
                    }
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.5.1: the device writes no descriptor, no available ring, and no readable buffer")
    void s2_7_5_1_deviceWritesOnlyTheUsedRing() {
        for (long features : RingKinds.FEATURES) {
            try (RawSplitRing ring = new RawSplitRing(4)) {
                SplitDeviceQueue device = ring.device(features);
                long buffer = ring.buffer(64);
                DescriptorChain chain = new DescriptorChain(1);
                byte[] table = null;
                for (int round = 0; round < 10; round++) {
                    ring.descriptor(0, buffer, 16, NEXT, 1);
                    ring.descriptor(1, buffer + 16, 16, WRITE, 0);
                    ring.offer(0);
                    byte[] before = ring.guest.read(ring.descriptors, (int) (ring.used - ring.descriptors));
                    assertTrue(device.pop(chain));
                    device.putUsed(chain, 16);
                    device.publishUsed();
                    device.suppressKicks();
                    device.armKicks();
                    table = ring.guest.read(ring.descriptors, (int) (ring.used - ring.descriptors));
                    assertArrayEquals(before, table);
                }
                assertArrayEquals(new byte[64], ring.guest.read(buffer, 64));
            }
        }
    }

    @Test
    @DisplayName("§2.7.5.2: the driver refuses a buffer of more than 2^32 bytes, and takes one of exactly as many")
    void s2_7_5_2_driverRefusesTooManyBytes() {
        try (TwoSides sides = sides(4, VirtioFeatures.INDIRECT_DESC)) {
            long[] addresses = {0x1000, 0x1000, 0x1000};
            long table = sides.buffer(64);
            long tableHost = sides.guest.host(table);
            int[] tooLong = {0x8000_0000, 0x7fff_ffff, 2};
            assertThrows(IllegalArgumentException.class, () -> sides.driver.add(addresses, tooLong, 0, 2, 1));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> sides.driver.addIndirect(tableHost, table, addresses, tooLong, 0, 2, 1));
            assertEquals(4, sides.driver.free());
            int[] just = {0x8000_0000, 0x7fff_ffff, 1};
            assertTrue(sides.driver.add(addresses, just, 0, 2, 1) >= 0);
        }
    }

    @Test
    @DisplayName("§2.7.5.2, §2.7.9: in order, the driver takes descriptors in ring order")
    void s2_7_5_2_inOrderDriverUsesRingOrder() {
        for (int size : SIZES) {
            try (TwoSides sides = sides(size, VirtioFeatures.IN_ORDER)) {
                SplitRingBytes memory = new SplitRingBytes(sides);
                long buffer = sides.buffer(64);
                int expected = 0;
                for (int round = 0; round < 5 * size; round++) {
                    int count = round % size + 1;
                    long[] addresses = new long[count];
                    int[] lengths = new int[count];
                    for (int i = 0; i < count; i++) {
                        addresses[i] = buffer;
                        lengths[i] = 1;
                    }
                    int head = sides.driver.add(addresses, lengths, 0, count, 0);
                    assertEquals(expected, head);
                    for (int i = 0; i < count - 1; i++) {
                        assertEquals((head + i + 1) % size, memory.next((head + i) % size));
                    }
                    expected = (expected + count) % size;
                    sides.driver.publishAvailable();
                    assertTrue(sides.pop());
                    sides.device.putUsed(sides.chain, 0);
                    sides.device.publishUsed();
                    assertEquals(head, sides.driver.popUsed());
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.5.3.1: the driver's tables are negotiated, one level deep and no longer than the queue")
    void s2_7_5_3_1_driverIndirectTables() {
        try (TwoSides sides = sides(4, VirtioFeatures.INDIRECT_DESC | VirtioFeatures.IN_ORDER)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            long table = sides.buffer(16 * 5);
            long host = sides.guest.host(table);
            long[] addresses = {0x1000, 0x2000, 0x3000, 0x4000, 0x5000};
            int[] lengths = {1, 2, 3, 4, 5};
            int tooLong = sides.driver.addIndirect(host, table, addresses, lengths, 0, 5, 0);
            assertEquals(-1, tooLong, "longer than the queue");
            int head = sides.driver.addIndirect(host, table, addresses, lengths, 0, 3, 1);
            assertEquals(INDIRECT, memory.flags(head), "INDIRECT without NEXT");
            assertEquals(table, memory.address(head));
            assertEquals(64, memory.length(head));
            for (int i = 0; i < 4; i++) {
                assertEquals(addresses[i], Memory.getLong(host + 16L * i));
                assertEquals(lengths[i], Memory.getUnsignedInt(host + 16L * i + 8));
                assertEquals(
                        (i < 3 ? NEXT : 0) | (i < 3 ? 0 : WRITE), Memory.getUnsignedShort(host + 16L * i + 12));
                if (i < 3) {
                    assertEquals(i + 1, Memory.getUnsignedShort(host + 16L * i + 14), "sequential, as IN_ORDER asks");
                }
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
    @DisplayName("§2.7.5.3.1: the driver makes no chain longer than the queue")
    void s2_7_5_3_1_driverChainFitsTheQueue() {
        for (int size : SIZES) {
            try (TwoSides sides = sides(size, 0)) {
                assertEquals(-1, sides.driver.add(new long[size + 1], new int[size + 1], 0, size + 1, 0));
                assertEquals(size, sides.driver.free());
            }
        }
    }

    @Test
    @DisplayName("§2.7.5.3.2: the device ignores WRITE in a descriptor that refers to a table")
    void s2_7_5_3_2_writeFlagOfATableIsIgnored() {
        try (RawSplitRing ring = new RawSplitRing(4)) {
            SplitDeviceQueue device = ring.device(VirtioFeatures.INDIRECT_DESC);
            long table = ring.buffer(32);
            long buffer = ring.buffer(32);
            ring.descriptorAt(table, buffer, 16, NEXT, 1);
            ring.descriptorAt(table + 16, buffer + 16, 16, WRITE, 0);
            ring.descriptor(0, table, 32, INDIRECT | WRITE, 0);
            ring.offer(0);
            DescriptorChain chain = new DescriptorChain(1);
            assertTrue(device.pop(chain));
            assertEquals(1, chain.readableCount);
            assertEquals(2, chain.segmentCount);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    @DisplayName("§2.7.5.3.2: the device takes zero or more direct descriptors followed by an indirect one")
    void s2_7_5_3_2_directThenIndirect(int direct) {
        for (int inTable = 1; inTable <= 4 - direct; inTable++) {
            try (RawSplitRing ring = new RawSplitRing(4)) {
                SplitDeviceQueue device = ring.device(VirtioFeatures.INDIRECT_DESC);
                long table = ring.buffer(64);
                long buffer = ring.buffer(64);
                for (int i = 0; i < direct; i++) {
                    ring.descriptor(i, buffer + i, 1, NEXT, i + 1);
                }
                ring.descriptor(direct, table, 16L * inTable, INDIRECT, 0);
                for (int i = 0; i < inTable; i++) {
                    int flags = (i > 0 ? WRITE : 0) | (i < inTable - 1 ? NEXT : 0);
                    ring.descriptorAt(table + 16L * i, buffer + direct + i, 1, flags, i + 1);
                }
                ring.offer(0);
                DescriptorChain chain = new DescriptorChain(1);
                assertTrue(device.pop(chain), device.brokenReason());
                assertEquals(direct + inTable, chain.segmentCount);
                assertEquals(direct + 1, chain.readableCount);
                for (int i = 0; i < chain.segmentCount; i++) {
                    assertEquals(ring.guest.host(buffer + i), chain.addresses[i]);
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.5.3: an indirect table is followed by next, not by position")
    void s2_7_5_3_tablesAreChainedByNext() {
        try (RawSplitRing ring = new RawSplitRing(4)) {
            SplitDeviceQueue device = ring.device(VirtioFeatures.INDIRECT_DESC);
            long table = ring.buffer(64);
            long buffer = ring.buffer(64);
            ring.descriptorAt(table, buffer, 1, NEXT, 3);
            ring.descriptorAt(table + 48, buffer + 1, 1, NEXT, 1);
            ring.descriptorAt(table + 16, buffer + 2, 1, 0, 0);
            ring.descriptor(2, table, 64, INDIRECT, 0);
            ring.offer(2);
            DescriptorChain chain = new DescriptorChain(1);
            assertTrue(device.pop(chain));
            assertEquals(3, chain.segmentCount);
            assertEquals(ring.guest.host(buffer + 1), chain.addresses[1]);
            assertEquals(ring.guest.host(buffer + 2), chain.addresses[2]);
        }
    }

    @Test
    @DisplayName("§2.7.6.1, §2.7.13.3: the available index starts at 0, counts buffers, and wraps at 65536")
    void s2_7_6_1_availIdxOnlyGrows() {
        for (int size : SIZES) {
            try (TwoSides sides = sides(size, 0)) {
                SplitRingBytes memory = new SplitRingBytes(sides);
                long buffer = sides.buffer(16);
                assertEquals(0, memory.availIdx());
                for (int i = 0; i < 65536 + 2 * size; i++) {
                    int id = sides.addOne(buffer);
                    assertEquals(i & 0xffff, memory.availIdx(), "not before it is published");
                    sides.driver.publishAvailable();
                    assertEquals(i + 1 & 0xffff, memory.availIdx());
                    assertEquals(id, memory.availElement(i & (size - 1)));
                    assertTrue(sides.pop());
                    sides.device.putUsed(sides.chain, 0);
                    sides.device.publishUsed();
                    assertEquals(id, sides.driver.popUsed());
                }
            }
        }
    }

    @Test
    @DisplayName("§2.7.8.2: id and len are in place before the used index moves, and it moves once per batch")
    void s2_7_8_2_elementBeforeIndex() {
        try (RawSplitRing ring = new RawSplitRing(4)) {
            ring.setUsedIdx(0xfffe);
            ring.availIdx(0xfffe);
            SplitDeviceQueue device = new SplitDeviceQueue(ring.config(0, 0xfffe));
            long buffer = ring.buffer(64);
            DescriptorChain chain = new DescriptorChain(1);
            long[] lengths = {0, 1, 0x7fff_ffffL, 0xffff_ffffL};
            for (int i = 0; i < 4; i++) {
                ring.descriptor(i, buffer, 16, WRITE, 0);
                ring.offer(i);
                assertTrue(device.pop(chain));
                device.putUsed(chain, lengths[i]);
                assertEquals(0xfffe, ring.usedIdx());
                int slot = 0xfffe + i & 3;
                assertEquals(i, ring.usedId(slot));
                assertEquals(lengths[i], ring.usedLen(slot));
            }
            device.publishUsed();
            assertEquals(2, ring.usedIdx());
        }
    }

    @Test
    @DisplayName("§2.7.9: one used entry returns all buffers up to the one it names, skipped ones wholly used")
    void s2_7_9_oneEntryForABatch() {
        for (int size : SIZES) {
            for (int start = 0; start < 2 * size; start++) {
                for (int batch = 1; batch <= size; batch++) {
                    oneEntryForABatch(size, start, batch);
                }
            }
        }
    }

    private static void oneEntryForABatch(int size, int start, int batch) {
        try (TwoSides sides = sides(size, VirtioFeatures.IN_ORDER)) {
            SplitRingBytes memory = new SplitRingBytes(sides);
            long buffer = sides.buffer(64);
            for (int i = 0; i < start; i++) {
                int id = sides.addOne(buffer);
                sides.driver.publishAvailable();
                Memory.putLong(memory.used() + 4 + 8L * (i & (size - 1)), id);
                memory.putUsedIdx(i + 1);
                assertEquals(id, sides.driver.popUsed());
            }
            int[] ids = new int[batch];
            for (int i = 0; i < batch; i++) {
                ids[i] = sides.driver.add(new long[] {buffer}, new int[] {100 + i}, 0, 0, 1);
            }
            sides.driver.publishAvailable();
            Memory.putLong(memory.used() + 4 + 8L * (start & (size - 1)), ids[batch - 1] | 7L << 32);
            memory.putUsedIdx(start + batch);
            for (int i = 0; i < batch; i++) {
                assertEquals(ids[i], sides.driver.popUsed(), sides.driver.brokenReason());
                assertEquals(i == batch - 1 ? 7 : 100 + i, sides.driver.usedLength());
            }
            assertEquals(-1, sides.driver.popUsed());
            assertEquals(size, sides.driver.free());
            assertFalse(sides.driver.isBroken());
        }
    }

    @Test
    @DisplayName("§2.7.13.4: the device takes what is available without waiting for a kick")
    void s2_7_13_4_noKickNeeded() {
        try (RawSplitRing ring = new RawSplitRing(4)) {
            ring.descriptor(0, ring.buffer(16), 16, 0, 0);
            ring.offer(0);
            assertTrue(ring.device(0).pop(new DescriptorChain(1)));
        }
    }
}
