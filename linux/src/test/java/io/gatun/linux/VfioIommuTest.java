package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.gatun.linux.VfioIommu.IovaRange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class VfioIommuTest {
    /** As Linux 6.1 answered over QEMU's intel-iommu: capabilities at offsets that are multiples of four only. */
    @Test
    void readsRangesAndTheRoomThatIsLeft() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = info(arena);
            VfioIommu.IommuInfo parsed = VfioIommu.parse(info);
            assertEquals(0x4020_1000L, parsed.pageSizes());
            assertEquals(
                    List.of(new IovaRange(0, 0xfedf_ffffL), new IovaRange(0xfef0_0000L, (1L << 39) - 1)),
                    parsed.ranges());
            assertEquals(65535, parsed.mappingsAvailable());
        }
    }

    @Test
    void aKernelWithoutCapabilitiesHasFourGigabytes() {
        try (Arena arena = Arena.ofConfined()) {
            VfioIommu.IommuInfo parsed = VfioIommu.parse(arena.allocate(24, 8));
            assertEquals(List.of(new IovaRange(0, 0xffff_ffffL)), parsed.ranges());
            assertEquals(4096, parsed.pageSizes());
            assertEquals(-1, parsed.mappingsAvailable());
        }
    }

    @Test
    void nonsenseEnds() {
        Random random = new Random(1);
        try (Arena arena = Arena.ofConfined()) {
            for (int round = 0; round < 20_000; round++) {
                MemorySegment info = info(arena);
                for (int i = random.nextInt(4); i >= 0; i--) {
                    info.set(JAVA_INT_UNALIGNED, 4 + random.nextInt((int) info.byteSize() - 7), random.nextInt());
                }
                VfioIommu.parse(info);
            }
        }
    }

    @Test
    void whatIsNoContainerIsRefused() {
        try (MemoryFile file = MemoryFile.create("none", 4096)) {
            assertEquals(-Errno.ENOTTY, VfioIommu.map(file.fd().value(), 4096, 4096, 4096));
            assertEquals(-Errno.ENOTTY, VfioIommu.unmap(file.fd().value(), 4096, 4096));
            assertEquals(-Errno.ENOTTY, VfioCalls.apiVersion(file.fd().value()));
            assertEquals(-Errno.ENOTTY, VfioCalls.setIrqs(file.fd().value(), VfioCalls.PCI_MSIX_IRQ, 1, 2));
            assertThrows(LinuxException.class, () -> VfioIommu.info(file.fd().value()));
            assertThrows(LinuxException.class, () -> VfioCalls.deviceInfo(file.fd()));
        }
    }

    private static MemorySegment info(Arena arena) {
        MemorySegment info = arena.allocate(96, 8);
        info.set(JAVA_INT_UNALIGNED, 4, 3);
        info.set(JAVA_LONG_UNALIGNED, 8, 0x4020_1000L);
        info.set(JAVA_INT_UNALIGNED, 16, 20);
        header(info, 20, 3, 32); // DMA_AVAIL
        info.set(JAVA_INT_UNALIGNED, 28, 65535);
        header(info, 32, 1, 0); // IOVA_RANGE
        info.set(JAVA_INT_UNALIGNED, 40, 2);
        long[] bounds = {0, 0xfedf_ffffL, 0xfef0_0000L, (1L << 39) - 1};
        for (int i = 0; i < bounds.length; i++) {
            info.set(JAVA_LONG_UNALIGNED, 48 + 8 * i, bounds[i]);
        }
        return info;
    }

    private static void header(MemorySegment info, int at, int id, int next) {
        info.set(JAVA_INT_UNALIGNED, at, id | 1 << 16);
        info.set(JAVA_INT_UNALIGNED, at + 4, next);
    }
}
