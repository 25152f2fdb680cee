package io.gatun.vfio;

import io.gatun.linux.Mapping;

/** Memory for {@link DmaSpace#allocate}: taken from the system and mapped for the device in one step. */
final class DmaMemory {
    private DmaMemory() {}

    /** Ordinary pages. */
    static DmaBuffer ordinary(DmaSpace space, long lengthBytes) {
        return map(space, Mapping.anonymous(wholePages(lengthBytes, DmaSpace.PAGE_BYTES)));
    }

    /** Rounds up to whole pages; throws {@link IllegalArgumentException} for less than a byte. */
    static long wholePages(long lengthBytes, long pageBytes) {
        if (lengthBytes <= 0) {
            throw new IllegalArgumentException("a buffer has at least one byte, not " + lengthBytes);
        }
        return Math.addExact(lengthBytes, pageBytes - 1) & -pageBytes;
    }

    private static DmaBuffer map(DmaSpace space, Mapping memory) {
        try {
            space.map(memory.address(), memory.lengthBytes());
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        return new DmaBuffer(memory.address(), memory.lengthBytes(), () -> {
            space.unmap(memory.address());
            memory.close();
        });
    }
}
