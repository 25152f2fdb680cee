package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.lang.management.ManagementFactory;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DmaSpaceTest {
    private static final long PAGE = DmaSpace.PAGE_BYTES;
    private static final long BASE = 1L << 30;

    @Test
    void translatesEveryByteOfARegionAndNothingAround() {
        try (PagedSpace space = new PagedSpace(12)) {
            space.map(BASE, 3 * PAGE);
            for (long at = BASE; at < BASE + 3 * PAGE; at++) {
                assertEquals(PagedSpace.deviceAddress(at, 12), space.translate(at));
                assertEquals(PAGE - (at & PAGE - 1), space.contiguousBytes(at));
            }
            for (long outside : new long[] {0, BASE - 1, BASE + 3 * PAGE, -1, Long.MAX_VALUE, Long.MIN_VALUE}) {
                assertEquals(DmaSpace.UNMAPPED, space.translate(outside));
                assertEquals(0, space.contiguousBytes(outside));
            }
        }
    }

    @Test
    void aRegionMayStartAndEndWithinAHugepage() {
        try (PagedSpace space = new PagedSpace(21)) {
            long start = BASE + (2 << 20) - PAGE;
            space.map(start, (2 << 20) + 2 * PAGE);
            assertEquals(PagedSpace.deviceAddress(start, 21), space.translate(start));
            assertEquals(PAGE, space.contiguousBytes(start));
            assertEquals(2 << 20, space.contiguousBytes(start + PAGE));
            long last = start + (2 << 20) + 2 * PAGE - 1;
            assertEquals(PagedSpace.deviceAddress(last, 21), space.translate(last));
            assertEquals(1, space.contiguousBytes(last));
            assertEquals(DmaSpace.UNMAPPED, space.translate(last + 1));
        }
    }

    @Test
    void aLinearRegionIsContiguousToItsEnd() {
        DmaRegion region = DmaRegion.linear(BASE, 5 * PAGE, 0x7000);
        assertEquals(0x7000 + 4097, region.translate(BASE + 4097));
        assertEquals(5 * PAGE - 4097, region.contiguousBytes(BASE + 4097));
    }

    @Test
    void findsTheRightOneOfManyRegions() {
        Random random = new Random(7);
        try (PagedSpace space = new PagedSpace(12)) {
            boolean[] mapped = new boolean[512];
            for (int step = 0; step < 3_000; step++) {
                int slot = random.nextInt(mapped.length);
                if (mapped[slot]) {
                    space.unmap(BASE + 2 * PAGE * slot);
                } else {
                    space.map(BASE + 2 * PAGE * slot, PAGE);
                }
                mapped[slot] = !mapped[slot];
                int probe = random.nextInt(mapped.length);
                long at = BASE + 2 * PAGE * probe + random.nextInt((int) PAGE);
                assertEquals(
                        mapped[probe] ? PagedSpace.deviceAddress(at, 12) : DmaSpace.UNMAPPED, space.translate(at));
                assertEquals(DmaSpace.UNMAPPED, space.translate(at + PAGE));
            }
        }
    }

    @Test
    void theSameRangeIsCounted() {
        PagedSpace space = new PagedSpace(12);
        space.map(BASE, PAGE);
        space.map(BASE, PAGE);
        assertEquals(1, space.attached.size());
        assertEquals(PAGE, space.mappedBytes());
        space.unmap(BASE);
        assertTrue(space.translate(BASE) != DmaSpace.UNMAPPED);
        space.unmap(BASE);
        assertEquals(DmaSpace.UNMAPPED, space.translate(BASE));
        assertEquals(0, space.attached.size());
        assertThrows(IllegalArgumentException.class, () -> space.unmap(BASE));
        space.close();
    }

    @Test
    void overlapsAndPartsOfPagesAreRefused() {
        try (PagedSpace space = new PagedSpace(12)) {
            space.map(BASE, 4 * PAGE);
            long[][] refused = {
                {BASE, PAGE}, {BASE - PAGE, 2 * PAGE}, {BASE + 3 * PAGE, PAGE}, {BASE - PAGE, 9 * PAGE},
                {BASE + PAGE, PAGE}, {BASE + 8 * PAGE + 1, PAGE}, {BASE + 8 * PAGE, PAGE + 1}, {BASE + 8 * PAGE, 0},
                {BASE + 8 * PAGE, -PAGE}, {0, PAGE}, {-PAGE, PAGE}
            };
            for (long[] range : refused) {
                assertThrows(IllegalArgumentException.class, () -> space.map(range[0], range[1]));
            }
            space.map(BASE + 4 * PAGE, PAGE);
            space.map(BASE - PAGE, PAGE);
            assertEquals(3, space.attached.size());
        }
    }

    @Test
    void buffersAreZeroedReachableAndGivenBack() {
        int mappings = Mapping.openCount();
        PagedSpace space = new PagedSpace(12);
        DmaBuffer buffer = space.allocate(5000);
        assertEquals(2 * PAGE, buffer.lengthBytes());
        assertEquals(0, Memory.getLong(buffer.address() + 2 * PAGE - 8));
        assertTrue(space.translate(buffer.address()) != DmaSpace.UNMAPPED);
        buffer.close();
        buffer.close();
        assertEquals(DmaSpace.UNMAPPED, space.translate(buffer.address()));
        assertEquals(mappings, Mapping.openCount());
        assertThrows(IllegalArgumentException.class, () -> space.allocate(0));
        space.close();
    }

    @Test
    void aClosedSpaceReachesNothing() {
        int mappings = Mapping.openCount();
        PagedSpace space = new PagedSpace(12);
        DmaBuffer buffer = space.allocate(PAGE);
        space.map(BASE, PAGE);
        space.close();
        space.close();
        assertEquals(0, space.attached.size());
        assertEquals(DmaSpace.UNMAPPED, space.translate(BASE));
        buffer.close();
        space.unmap(BASE);
        assertThrows(IllegalStateException.class, () -> space.map(BASE, PAGE));
        assertThrows(IllegalStateException.class, () -> space.allocate(PAGE));
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void translationAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().threadId();
        try (PagedSpace space = new PagedSpace(12);
                DmaArena arena = new DmaArena(space, PAGE)) {
            space.map(BASE, 64 * PAGE);
            DmaSlab slab = new DmaSlab(arena, space, 512, 8);
            long deadline = System.nanoTime() + 10_000_000_000L;
            long allocated;
            long sum = 0;
            do { // the first rounds load classes, and compile
                long before = threads.getThreadAllocatedBytes(thread);
                for (int i = 0; i < 10_000; i++) {
                    long at = BASE + (i & 63) * PAGE;
                    int block = slab.take();
                    sum += space.translate(at) + space.contiguousBytes(at) + slab.deviceAddress(block);
                    slab.give(block);
                }
                allocated = threads.getThreadAllocatedBytes(thread) - before;
            } while (allocated != 0 && System.nanoTime() < deadline);
            assertEquals(0, allocated);
            assertTrue(sum != 0);
        }
    }
}
