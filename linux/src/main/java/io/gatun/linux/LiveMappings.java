package io.gatun.linux;

import java.util.Arrays;

/**
 * The registry of live mappings behind {@link Memory}'s checked mode: our address sanitizer.
 *
 * <p><b>Thread-safety:</b> {@link #add} and {@link #remove} replace an immutable snapshot under a lock; {@link
 * #require} reads the snapshot without one and allocates only to complain.
 */
final class LiveMappings {
    /** Start and end addresses in turn, sorted: {@code [start0, end0, start1, end1, …]}. */
    private static volatile long[] bounds = {};

    private LiveMappings() {}

    static synchronized void add(long address, long lengthBytes) {
        long[] old = bounds;
        int at = 0;
        while (at < old.length && old[at] < address) {
            at += 2;
        }
        long[] next = new long[old.length + 2];
        System.arraycopy(old, 0, next, 0, at);
        next[at] = address;
        next[at + 1] = address + lengthBytes;
        System.arraycopy(old, at, next, at + 2, old.length - at);
        bounds = next;
    }

    static synchronized void remove(long address) {
        long[] old = bounds;
        for (int at = 0; at < old.length; at += 2) {
            if (old[at] == address) {
                long[] next = Arrays.copyOf(old, old.length - 2);
                System.arraycopy(old, at + 2, next, at, old.length - at - 2);
                bounds = next;
                return;
            }
        }
        throw new IllegalStateException("no live mapping starts at 0x" + Long.toHexString(address));
    }

    static int count() {
        return bounds.length / 2;
    }

    /** Fails unless {@code [address, address + length)} lies inside one live mapping. */
    static void require(long address, long length) {
        long[] snapshot = bounds;
        int low = 0;
        int high = snapshot.length / 2 - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            long start = snapshot[2 * middle];
            long end = snapshot[2 * middle + 1];
            if (address < start) {
                high = middle - 1;
            } else if (address >= end) {
                low = middle + 1;
            } else if (length >= 0 && length <= end - address) {
                return;
            } else {
                break;
            }
        }
        if (length == 0) {
            return;
        }
        throw new IndexOutOfBoundsException(complaint(snapshot, address, length));
    }

    private static String complaint(long[] snapshot, long address, long length) {
        String nearest = "no mapping is live";
        long best = Long.MAX_VALUE;
        for (int at = 0; at < snapshot.length; at += 2) {
            long distance = address < snapshot[at] ? snapshot[at] - address : Math.max(0, address - snapshot[at + 1]);
            if (distance < best) {
                best = distance;
                nearest = String.format("the nearest live mapping is [0x%x, 0x%x)", snapshot[at], snapshot[at + 1]);
            }
        }
        return String.format("access to 0x%x, %d bytes, is outside every mapping; %s", address, length, nearest);
    }
}
