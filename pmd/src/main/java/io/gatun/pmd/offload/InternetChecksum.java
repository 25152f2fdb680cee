package io.gatun.pmd.offload;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;

/**
 * The ones' complement sum of IP, TCP, UDP and ICMP (RFC 1071).
 *
 * <p>Sums are kept in the machine's byte order, unfolded, in a {@code long}: the sum is the same in either order as
 * long as its bytes are put where they came from (RFC 1071 §2.B), so a result of {@link #finish} is stored with {@link
 * Memory#putShort} as it is. Thousands of sums may be added up before they are folded.
 *
 * <p><b>Thread-safety:</b> stateless.
 */
public final class InternetChecksum {
    private static final long LOW_32 = 0xffff_ffffL;

    private InternetChecksum() {}

    /** The sum of bytes in one run, the first of which is at an even place of what is summed; at most 2^48. */
    public static long sum(long address, int lengthBytes) {
        long low = 0;
        long high = 0;
        int at = 0;
        for (; at <= lengthBytes - 8; at += 8) {
            // Two sums that cannot overflow are cheaper than one with a carry.
            long word = Memory.getLong(address + at);
            low += word & LOW_32;
            high += word >>> 32;
        }
        long sum = low + high;
        if ((lengthBytes & 4) != 0) {
            sum += Memory.getUnsignedInt(address + at);
            at += 4;
        }
        if ((lengthBytes & 2) != 0) {
            sum += Memory.getUnsignedShort(address + at);
            at += 2;
        }
        if ((lengthBytes & 1) != 0) {
            sum += Memory.getByte(address + at) & 0xff;
        }
        return sum;
    }

    /** The sum of a packet from byte {@code from}, which counts as an even place, to its end. */
    public static long sum(Burst burst, int packet, int from) {
        int skip = from;
        long sum = 0;
        int summed = 0;
        int head = burst.headLengths[packet];
        if (skip < head) {
            summed = head - skip;
            sum = sum(burst.addresses[packet] + skip, summed);
            skip = 0;
        } else {
            skip -= head;
        }
        int first = burst.moreFirsts[packet];
        for (int s = first; s < first + burst.moreCounts[packet]; s++) {
            int length = burst.segmentLengths[s];
            if (skip >= length) {
                skip -= length;
                continue;
            }
            sum += at(summed, sum(burst.segmentAddresses[s] + skip, length - skip));
            summed += length - skip;
            skip = 0;
        }
        return sum;
    }

    /** The sum of a run whose first byte is {@code offset} bytes from the start of what is summed. */
    public static long at(int offset, long sum) {
        return (offset & 1) == 0 ? sum : swap(fold(sum));
    }

    /** What a 16-bit number adds to a sum where it is in network byte order. */
    public static long number(int value) {
        return swap(value & 0xffff);
    }

    /** The sum in 16 bits. */
    public static int fold(long sum) {
        long folded = (sum & LOW_32) + (sum >>> 32);
        folded = (folded & LOW_32) + (folded >>> 32);
        folded = (folded & 0xffff) + (folded >>> 16);
        folded = (folded & 0xffff) + (folded >>> 16);
        return (int) ((folded & 0xffff) + (folded >>> 16));
    }

    /** The checksum to store: the complement of the folded sum. */
    public static int finish(long sum) {
        return ~fold(sum) & 0xffff;
    }

    /** The same for UDP, where 0 would say that there is no checksum (RFC 768). */
    public static int finishUdp(long sum) {
        int checksum = finish(sum);
        return checksum == 0 ? 0xffff : checksum;
    }

    /**
     * Brings a stored checksum up to date after a field under it has changed (RFC 1624): sums of the old and the new
     * bytes, which start at an even place.
     */
    public static int update(int checksum, long oldSum, long newSum) {
        return finish((~checksum & 0xffff) + (~fold(oldSum) & 0xffff) + (long) fold(newSum));
    }

    private static int swap(int folded) {
        return (folded & 0xff) << 8 | folded >>> 8;
    }
}
