package io.gatun.vfio;

import io.gatun.linux.VfioIommu.IovaRange;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Hands out addresses for devices from the ranges that their IOMMU has: first fit, from below, so that an IOMMU of few
 * bits serves as well as one of many.
 *
 * <p>An address agrees with the memory's own in the bits below a hugepage, where there is a hugepage's worth of it, so
 * that the IOMMU can map hugepages as such.
 *
 * <p><b>Thread-safety:</b> none; its owner locks.
 */
final class IovaAllocator {
    /** What is returned where there is no room. */
    static final long NONE = -1;

    /** Nothing is handed out below, so that an address of zero, or near it, is a mistake of ours. */
    private static final long FIRST = 1 << 20;

    private static final long[] PAGE_SIZES = {1L << 30, 2L << 20, 4096};

    /** Free ranges: from the first address to the one behind the last. */
    private final TreeMap<Long, Long> free = new TreeMap<>();

    IovaAllocator(List<IovaRange> ranges) {
        free.putAll(usable(ranges));
    }

    /** Hands out nothing from now on that is outside of these ranges; what is taken lies inside. */
    void restrict(List<IovaRange> ranges) {
        Map<Long, Long> usable = usable(ranges);
        Map<Long, Long> both = new TreeMap<>();
        free.forEach((start, end) -> usable.forEach((first, last) -> {
            if (Math.max(start, first) < Math.min(end, last)) {
                both.put(Math.max(start, first), Math.min(end, last));
            }
        }));
        free.clear();
        free.putAll(both);
    }

    private static Map<Long, Long> usable(List<IovaRange> ranges) {
        Map<Long, Long> usable = new TreeMap<>();
        for (IovaRange range : ranges) {
            // Addresses are not negative here: what an IOMMU has of more than 63 bits is left alone.
            long last = range.last() < 0 ? Long.MAX_VALUE - 4096 : range.last();
            long start = roundUp(Math.max(range.first(), FIRST), 4096);
            long end = last + 1 & -4096L;
            if (range.first() >= 0 && start < end) {
                usable.put(start, end);
            }
        }
        return usable;
    }

    /**
     * Takes a range for memory at {@code address}; both are whole pages.
     *
     * @return its first address, or {@link #NONE}
     */
    long take(long address, long lengthBytes) {
        for (long page : PAGE_SIZES) {
            boolean holdsPages = roundUp(address, page) + page <= address + lengthBytes;
            if (holdsPages) {
                long found = find(address & page - 1, page, lengthBytes);
                if (found != NONE) {
                    carve(found, lengthBytes);
                    return found;
                }
            }
        }
        return NONE;
    }

    /** Gives back what {@link #take} returned. */
    void give(long iova, long lengthBytes) {
        long start = iova;
        long end = iova + lengthBytes;
        Map.Entry<Long, Long> before = free.floorEntry(iova);
        if (before != null && before.getValue() == start) {
            start = before.getKey();
        }
        Long after = free.remove(end);
        if (after != null) {
            end = after;
        }
        free.put(start, end);
    }

    /** How many bytes are free. */
    long freeBytes() {
        long sum = 0;
        for (Map.Entry<Long, Long> range : free.entrySet()) {
            sum += range.getValue() - range.getKey();
        }
        return sum;
    }

    /** The lowest free address that is {@code offset} beyond a multiple of {@code page}. */
    private long find(long offset, long page, long lengthBytes) {
        for (Map.Entry<Long, Long> range : free.entrySet()) {
            long at = roundUp(range.getKey() - offset, page) + offset;
            if (at >= range.getKey() && lengthBytes <= range.getValue() - at) {
                return at;
            }
        }
        return NONE;
    }

    private void carve(long at, long lengthBytes) {
        Map.Entry<Long, Long> range = free.floorEntry(at);
        long start = range.getKey();
        long end = range.getValue();
        free.remove(start);
        if (start < at) {
            free.put(start, at);
        }
        if (at + lengthBytes < end) {
            free.put(at + lengthBytes, end);
        }
    }

    private static long roundUp(long value, long unit) {
        return value + unit - 1 & -unit;
    }
}
