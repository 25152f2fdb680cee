package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.VfioIommu.IovaRange;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class IovaAllocatorTest {
    private static final long PAGE = 4096;
    private static final long MIB = 1 << 20;

    /** What the kernel says of QEMU's intel-iommu: 39 bits, less the window of message interrupts. */
    private static final List<IovaRange> VT_D =
            List.of(new IovaRange(0, 0xfedf_ffffL), new IovaRange(0xfef0_0000L, (1L << 39) - 1));

    @Test
    void handsOutFromBelowAndNeverNearZero() {
        IovaAllocator allocator = new IovaAllocator(VT_D);
        assertEquals(MIB, allocator.take(0x7f00_0000_1000L, PAGE));
        assertEquals(MIB + PAGE, allocator.take(0x7f00_0000_1000L, PAGE));
    }

    @Test
    void agreesWithTheMemoryBelowAHugepage() {
        IovaAllocator allocator = new IovaAllocator(VT_D);
        long address = 0x7f00_0030_1000L;
        long iova = allocator.take(address, 8 * MIB);
        assertEquals(address & 2 * MIB - 1, iova & 2 * MIB - 1);
        long gigantic = allocator.take(3L << 30, 1L << 30);
        assertEquals(0, gigantic & (1L << 30) - 1);
    }

    @Test
    void leavesTheReservedWindowAlone() {
        IovaAllocator allocator = new IovaAllocator(VT_D);
        long total = allocator.freeBytes();
        long iova = allocator.take(0x7f00_0000_0000L, 4L << 30);
        assertTrue(iova >= 0xfef0_0000L, Long.toHexString(iova));
        allocator.give(iova, 4L << 30);
        assertEquals(total, allocator.freeBytes());
    }

    @Test
    void aFullSpaceIsAValue() {
        IovaAllocator allocator = new IovaAllocator(List.of(new IovaRange(MIB, MIB + 2 * PAGE - 1)));
        assertEquals(IovaAllocator.NONE, allocator.take(PAGE, 3 * PAGE));
        long first = allocator.take(PAGE, PAGE);
        assertTrue(allocator.take(PAGE, PAGE) > 0);
        assertEquals(IovaAllocator.NONE, allocator.take(PAGE, PAGE));
        allocator.give(first, PAGE);
        assertEquals(first, allocator.take(PAGE, PAGE));
        assertEquals(0, allocator.freeBytes());
    }

    @Test
    void aRangeOf64BitsIsTakenForItsLowerHalf() {
        IovaAllocator allocator = new IovaAllocator(List.of(new IovaRange(0, -1), new IovaRange(-(1L << 40), -1)));
        assertTrue(allocator.freeBytes() > 1L << 62);
        assertTrue(allocator.take(PAGE, PAGE) > 0);
    }

    @Test
    void anotherDeviceMayHaveFewerAddresses() {
        IovaAllocator allocator = new IovaAllocator(VT_D);
        long first = allocator.take(PAGE, PAGE);
        allocator.restrict(List.of(new IovaRange(0, 4 * MIB - 1), new IovaRange(1L << 38, (1L << 40) - 1)));
        assertEquals(3 * MIB - PAGE + (1L << 38), allocator.freeBytes());
        assertTrue(allocator.take(0, 8 * MIB) >= 1L << 38);
        allocator.give(first, PAGE);
        assertEquals(MIB, allocator.take(PAGE, 3 * MIB));
    }

    @Test
    void rangesStayApartAndComeBackWhole() {
        Random random = new Random(3);
        IovaAllocator allocator = new IovaAllocator(VT_D);
        long total = allocator.freeBytes();
        List<long[]> taken = new ArrayList<>();
        for (int step = 0; step < 2_000; step++) {
            if (taken.size() > 50 || (!taken.isEmpty() && random.nextInt(3) == 0)) {
                long[] range = taken.remove(random.nextInt(taken.size()));
                allocator.give(range[0], range[1]);
            } else {
                long bytes = PAGE * (1 + random.nextInt(5_000));
                long iova = allocator.take(PAGE * random.nextInt(1 << 30), bytes);
                assertTrue(iova + bytes <= 0xfee0_0000L || iova >= 0xfef0_0000L, "the window is left alone");
                for (long[] other : taken) {
                    assertTrue(iova + bytes <= other[0] || other[0] + other[1] <= iova, "ranges overlap");
                }
                taken.add(new long[] {iova, bytes});
            }
        }
        taken.forEach(range -> allocator.give(range[0], range[1]));
        assertEquals(total, allocator.freeBytes());
        assertEquals(MIB, allocator.take(PAGE, PAGE));
    }
}
