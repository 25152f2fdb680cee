package io.gatun.vfio;

import java.util.Collection;

/**
 * An immutable snapshot of what a device reaches, sorted by address.
 *
 * <p><b>Thread-safety:</b> immutable; {@link #find} neither locks nor allocates.
 */
final class DmaTable {
    static final DmaTable EMPTY = new DmaTable(new DmaRegion[0]);

    private final long[] starts;
    private final long[] ends;
    private final DmaRegion[] regions;

    private DmaTable(DmaRegion[] sorted) {
        regions = sorted;
        starts = new long[sorted.length];
        ends = new long[sorted.length];
        for (int i = 0; i < sorted.length; i++) {
            starts[i] = sorted[i].address();
            ends[i] = starts[i] + sorted[i].lengthBytes();
        }
    }

    /** Takes regions that are sorted and apart. */
    static DmaTable of(Collection<DmaRegion> sorted) {
        return new DmaTable(sorted.toArray(new DmaRegion[0]));
    }

    /** The region that an address lies in, or null. */
    DmaRegion find(long address) {
        int low = 0;
        int high = starts.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (address < starts[middle]) {
                high = middle - 1;
            } else if (address >= ends[middle]) {
                low = middle + 1;
            } else {
                return regions[middle];
            }
        }
        return null;
    }
}
