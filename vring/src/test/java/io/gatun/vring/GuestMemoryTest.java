package io.gatun.vring;

import static io.gatun.vring.GuestMemory.UNMAPPED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.vring.GuestMemory.Region;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Where a front-end's addresses become ours, or are refused: every border, by one byte. */
class GuestMemoryTest {
    private static final long HOST = 0x7000_0000_0000L;

    @Test
    @DisplayName("A range is translated if it lies wholly inside one region, and only then")
    void everyRangeAroundTwoAdjacentRegions() {
        GuestMemory memory = GuestMemory.of(List.of(new Region(20, 8, 120, HOST), new Region(12, 8, 112, HOST + 100)));
        for (long start = 0; start < 40; start++) {
            for (long length = 0; length < 30; length++) {
                long expected = UNMAPPED;
                if (start >= 12 && start + length <= 20) {
                    expected = HOST + 100 + start - 12;
                } else if (start >= 20 && start + length <= 28) {
                    expected = HOST + start - 20;
                }
                boolean emptyAtTheBorder = length == 0 && start == 20;
                if (!emptyAtTheBorder) {
                    assertEquals(expected, memory.translate(start, length), start + " + " + length);
                    assertEquals(expected, memory.translateUser(100 + start, length), start + " + " + length);
                }
            }
            long contiguous = start < 12 || start >= 28 ? 0 : start < 20 ? 20 - start : 28 - start;
            assertEquals(contiguous, memory.contiguousBytes(start));
        }
    }

    @Test
    @DisplayName("Addresses are unsigned, and lengths never wrap around")
    void theEndsOfTheAddressSpace() {
        GuestMemory memory = GuestMemory.of(List.of(
                new Region(-16, 16, Long.MIN_VALUE, HOST), new Region(0, 16, Long.MAX_VALUE - 15, HOST + 100)));
        assertEquals(HOST, memory.translate(-16, 16));
        assertEquals(HOST + 15, memory.translate(-1, 1));
        assertEquals(UNMAPPED, memory.translate(-1, 2), "the next byte is address 0, in another region");
        assertEquals(UNMAPPED, memory.translate(-16, 17));
        assertEquals(UNMAPPED, memory.translate(-17, 1));
        assertEquals(16, memory.contiguousBytes(-16));
        assertEquals(HOST + 100, memory.translate(0, 16));
        assertEquals(HOST, memory.translateUser(Long.MIN_VALUE, 16));
        assertEquals(HOST + 115, memory.translateUser(Long.MAX_VALUE, 1));
        for (long length : new long[] {17, 0x1_0000_0000L, Long.MAX_VALUE}) {
            assertEquals(UNMAPPED, memory.translate(0, length));
            assertEquals(UNMAPPED, memory.translate(-16, length));
            assertEquals(UNMAPPED, memory.translateUser(Long.MIN_VALUE, length));
        }
    }

    @Test
    @DisplayName("Regions that are empty, wrap around or overlap are refused, in either address space")
    void badRegions() {
        assertRefused("positive", () -> new Region(0, 0, 0, HOST));
        assertRefused("positive", () -> new Region(0, -1, 0, HOST));
        assertRefused("guest", () -> new Region(-15, 16, 0, HOST));
        assertRefused("user", () -> new Region(0, 16, -15, HOST));
        assertRefused("host", () -> new Region(0, 16, 0, -1));
        assertRefused("host", () -> new Region(0, 16, 0, Long.MAX_VALUE));
        Region one = new Region(100, 16, 1000, HOST);
        for (long shift = -15; shift <= 15; shift++) {
            long by = shift;
            assertRefused("guest", () -> GuestMemory.of(List.of(one, new Region(100 + by, 16, 5000, HOST + 64))));
            assertRefused("user", () -> GuestMemory.of(List.of(one, new Region(500, 16, 1000 + by, HOST + 64))));
        }
        assertRefused("guest", () -> GuestMemory.of(List.of(one, new Region(0, 1000, 5000, HOST + 64))));
        assertEquals(2, GuestMemory.of(List.of(one, new Region(116, 16, 1016, HOST))).regions().size());
        assertEquals(2, GuestMemory.of(List.of(one, new Region(84, 16, 984, HOST))).regions().size());
    }

    @Test
    @DisplayName("Nothing is in empty memory")
    void emptyMemory() {
        assertEquals(UNMAPPED, GuestMemory.EMPTY.translate(0, 1));
        assertEquals(UNMAPPED, GuestMemory.EMPTY.translateUser(0, 1));
        assertEquals(0, GuestMemory.EMPTY.contiguousBytes(0));
    }

    @Test
    @DisplayName("Many regions in any order answer as a search through all of them does")
    void manyRegions() {
        for (long seed = 1; seed <= 50; seed++) {
            Random random = new Random(seed);
            List<Region> regions = new ArrayList<>();
            long at = random.nextInt(10);
            for (int i = random.nextInt(1, 40); i > 0; i--) {
                long length = random.nextInt(1, 20);
                regions.add(random.nextInt(regions.size() + 1), new Region(at, length, at + 7, HOST + 1000L * i));
                at += length + random.nextInt(3);
            }
            GuestMemory memory = GuestMemory.of(regions);
            for (int i = 0; i < 500; i++) {
                long start = random.nextLong(at + 10);
                long length = random.nextInt(1, 25);
                long expected = regions.stream()
                        .filter(r -> start >= r.guestAddress()
                                && start + length <= r.guestAddress() + r.lengthBytes())
                        .mapToLong(r -> r.hostAddress() + start - r.guestAddress())
                        .findAny()
                        .orElse(UNMAPPED);
                assertEquals(expected, memory.translate(start, length), "seed " + seed);
                assertEquals(expected, memory.translateUser(start + 7, length), "seed " + seed);
            }
        }
    }

    private static void assertRefused(String words, Runnable attempt) {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, attempt::run);
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }
}
