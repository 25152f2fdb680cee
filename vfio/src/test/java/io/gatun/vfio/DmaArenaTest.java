package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DmaArenaTest {
    @Test
    void piecesAreApartAlignedAndContiguousForTheDevice() {
        Random random = new Random(11);
        int mappings = Mapping.openCount();
        try (PagedSpace space = new PagedSpace(14);
                DmaArena arena = new DmaArena(space, 1 << 20)) {
            Set<Long> taken = new HashSet<>();
            for (int i = 0; i < 1_000; i++) {
                int bytes = 1 + random.nextInt(8192);
                long alignment = 1L << random.nextInt(13);
                long at = arena.allocate(bytes, alignment);
                assertEquals(0, at & alignment - 1);
                assertEquals(0, space.translate(at) & alignment - 1);
                assertEquals(space.translate(at) + bytes - 1, space.translate(at + bytes - 1));
                assertTrue(taken.add(at) && (bytes == 1 || taken.add(at + bytes - 1)));
            }
        }
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void moreThanAPageOfPhysicalMemoryIsRefused() {
        try (PagedSpace space = new PagedSpace(12);
                DmaArena arena = new DmaArena(space, 1 << 16)) {
            IllegalArgumentException refused =
                    assertThrows(IllegalArgumentException.class, () -> arena.allocate(4097, 4096));
            assertTrue(refused.getMessage().contains("4097 bytes at one stretch, but 4096"), refused.getMessage());
            assertThrows(IllegalArgumentException.class, () -> arena.allocate(64, 48));
            assertThrows(IllegalArgumentException.class, () -> arena.allocate(0, 64));
            assertThrows(IllegalArgumentException.class, () -> arena.allocate(64, 8192));
        }
    }

    @Test
    void aPieceMayBeLargerThanAChunk() {
        try (LocalSpace space = new LocalSpace();
                DmaArena arena = new DmaArena(space, 4096)) {
            long at = arena.allocate(1 << 20, 4096);
            assertEquals(at, space.translate(at));
            assertEquals(at + (1 << 20) - 1, space.translate(at + (1 << 20) - 1));
        }
    }

    @Test
    void aSlabLendsEachBlockOnce() {
        try (PagedSpace space = new PagedSpace(12);
                DmaArena arena = new DmaArena(space, 4096)) {
            DmaSlab slab = new DmaSlab(arena, space, 1024, 5);
            Set<Long> addresses = new HashSet<>();
            for (int i = 0; i < 5; i++) {
                int block = slab.take();
                assertTrue(addresses.add(slab.address(block)));
                assertEquals(space.translate(slab.address(block)), slab.deviceAddress(block));
                assertEquals(0, slab.deviceAddress(block) & 1023);
            }
            assertEquals(DmaSlab.NONE, slab.take());
            slab.give(3);
            assertEquals(1, slab.freeCount());
            assertEquals(3, slab.take());
        }
    }
}
