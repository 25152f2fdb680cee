package io.gatun.bdev;

import io.gatun.linux.Memory;

/**
 * Walks the segments of a request from any byte on. Every range asked for lies within the request.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class Segments {
    private Segments() {}

    /** Whether every segment's address and length is a multiple of {@code alignment}, a power of two. */
    static boolean aligned(BdevRequest request, int alignment) {
        long bits = 0;
        int end = request.firstSegment + request.segmentCount;
        for (int i = request.firstSegment; i < end; i++) {
            bits |= request.addresses[i] | request.lengths[i];
        }
        return (bits & (alignment - 1)) == 0;
    }

    /** Copies {@code length} bytes from {@code from} on out of the segments. */
    public static void gather(BdevRequest request, long from, long length, long target) {
        copy(request, from, length, target, true);
    }

    /** Copies {@code length} bytes into the segments from {@code from} on. */
    public static void scatter(BdevRequest request, long from, long length, long source) {
        copy(request, from, length, source, false);
    }

    private static void copy(BdevRequest request, long from, long length, long flat, boolean gather) {
        int segment = request.firstSegment;
        long skip = from;
        while (skip >= request.lengths[segment]) {
            skip -= request.lengths[segment];
            segment++;
        }
        long done = 0;
        while (done < length) {
            long address = request.addresses[segment] + skip;
            long piece = Math.min(length - done, request.lengths[segment] - skip);
            if (gather) {
                Memory.copy(address, flat + done, piece);
            } else {
                Memory.copy(flat + done, address, piece);
            }
            done += piece;
            skip = 0;
            segment++;
        }
    }

    /**
     * Writes {@code struct iovec[]} for the segments from byte {@code from} on.
     *
     * @param most how many at most
     * @return how many were written
     */
    static int iovecs(BdevRequest request, long from, long target, int most) {
        int segment = request.firstSegment;
        int end = segment + request.segmentCount;
        long skip = from;
        while (skip >= request.lengths[segment]) {
            skip -= request.lengths[segment];
            segment++;
        }
        int count = 0;
        for (long at = target; segment < end && count < most; segment++, count++, at += 16) {
            Memory.putLong(at, request.addresses[segment] + skip);
            Memory.putLong(at + 8, request.lengths[segment] - skip);
            skip = 0;
        }
        return count;
    }
}
