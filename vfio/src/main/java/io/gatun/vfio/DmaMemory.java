package io.gatun.vfio;

import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryFile;

/** Memory for {@link DmaSpace#allocate}: taken from the system and mapped for the device in one step. */
final class DmaMemory {
    private static final long HUGEPAGE_BYTES = 2L << 20;
    private static final long GIGANTIC_PAGE_BYTES = 1L << 30;

    private DmaMemory() {}

    /** Ordinary pages. */
    static DmaBuffer ordinary(DmaSpace space, long lengthBytes) {
        return map(space, Mapping.anonymous(wholePages(lengthBytes, DmaSpace.PAGE_BYTES)), false);
    }

    /** Hugepages where that many are left, else ordinary pages; less than a hugepage is ordinary pages at once. */
    static DmaBuffer hugeOrOrdinary(DmaSpace space, long lengthBytes) {
        if (lengthBytes >= HUGEPAGE_BYTES) {
            Mapping memory;
            try {
                memory = hugepages(lengthBytes);
            } catch (LinuxException noneLeft) {
                return ordinary(space, lengthBytes);
            }
            return map(space, memory, true);
        }
        return ordinary(space, lengthBytes);
    }

    /** Hugepages; throws {@link LinuxException} with the remedy where there are too few. */
    static DmaBuffer huge(DmaSpace space, long lengthBytes) {
        return map(space, hugepages(lengthBytes), true);
    }

    /** Pages of 1 GiB if a whole number of them is asked for and reserved, else of 2 MiB. */
    private static Mapping hugepages(long lengthBytes) {
        if (lengthBytes % GIGANTIC_PAGE_BYTES == 0) {
            try {
                return hugepages(lengthBytes, GIGANTIC_PAGE_BYTES);
            } catch (LinuxException noneLeft) {
                return hugepages(lengthBytes, HUGEPAGE_BYTES);
            }
        }
        return hugepages(wholePages(lengthBytes, HUGEPAGE_BYTES), HUGEPAGE_BYTES);
    }

    /** Shared, so that no fork makes a copy on write of what a device writes to. */
    private static Mapping hugepages(long lengthBytes, long pageBytes) {
        try (MemoryFile file = MemoryFile.createHuge("gatun-dma", lengthBytes, pageBytes)) {
            return file.map();
        }
    }

    /** Rounds up to whole pages; throws {@link IllegalArgumentException} for less than a byte. */
    static long wholePages(long lengthBytes, long pageBytes) {
        if (lengthBytes <= 0) {
            throw new IllegalArgumentException("a buffer has at least one byte, not " + lengthBytes);
        }
        return Math.addExact(lengthBytes, pageBytes - 1) & -pageBytes;
    }

    private static DmaBuffer map(DmaSpace space, Mapping memory, boolean huge) {
        try {
            space.map(memory.address(), memory.lengthBytes());
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        return new DmaBuffer(memory.address(), memory.lengthBytes(), huge, () -> {
            space.unmap(memory.address());
            memory.close();
        });
    }
}
