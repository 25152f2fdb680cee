package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Entries;
import io.gatun.vfio.DmaSlab;
import io.gatun.vfio.DmaSpace;

/**
 * Describes host memory to the controller: as PRP entries (Base §4.1.1) or as an SGL (Base §4.1.2).
 *
 * <p>PRP entries name pages: memory in several pieces fits only if each piece but the first starts on a page and each
 * but the last ends on one. An SGL names any pieces. What neither covers (or the controller does not reach) is left to
 * the caller: both methods say how much they cover, from the front on.
 *
 * <p>Lists lie in one page of their own for each command identifier, so no list continues in another page: {@value
 * #MAX_BYTES} bytes at most for PRP entries, {@value #SGL_ENTRIES} pieces for an SGL.
 *
 * <p><b>Thread-safety:</b> belongs to its queue's thread.
 */
final class DataPointer {
    static final int PAGE_BYTES = 4096;

    /** What PRP entry 1 and one page of further entries cover wherever the first page starts. */
    static final int MAX_BYTES = PAGE_BYTES / 8 * PAGE_BYTES;

    private static final int SGL_ENTRIES = PAGE_BYTES / 16;
    private static final int PAGE_MASK = PAGE_BYTES - 1;
    private static final int DWORD_MASK = 3;

    // SGL descriptor types (Base §4.1.2.1), in the upper half of the second word.
    private static final long SGL_LAST_SEGMENT = 3L << 60;

    /** PRP entry 1, or the first half of an SGL descriptor. */
    long first;

    /** PRP entry 2, or the second half. */
    long second;

    /** {@link Entries#FLAG_SGL} or 0, for the command's first word. */
    int flags;

    private final DmaSpace space;
    private final DmaSlab lists;
    private final boolean dwordSgl;

    /**
     * @param lists a page for each command identifier
     * @param dwordSgl whether the controller wants pieces of an SGL to be of whole double words
     */
    DataPointer(DmaSpace space, DmaSlab lists, boolean dwordSgl) {
        this.space = space;
        this.lists = lists;
        this.dwordSgl = dwordSgl;
    }

    void clear() {
        first = 0;
        second = 0;
        flags = 0;
    }

    /** Points to the page of the identifier itself, whose first bytes the caller has filled. */
    void list(int identifier) {
        first = lists.deviceAddress(identifier);
        second = 0;
        flags = 0;
    }

    /** Where the page of an identifier is in this process. */
    long listAddress(int identifier) {
        return lists.address(identifier);
    }

    /**
     * Names {@code bytes} at {@code address}, at most {@link #MAX_BYTES}, by PRP entries; false if the controller does
     * not reach all of it, or it does not start at a double word.
     */
    boolean prp(int identifier, long address, int bytes) {
        flags = 0;
        second = 0;
        int inFirst = PAGE_BYTES - ((int) address & PAGE_MASK);
        first = space.translate(address);
        if (bytes <= inFirst) {
            return first != DmaSpace.UNMAPPED && (address & DWORD_MASK) == 0;
        }
        if (first == DmaSpace.UNMAPPED || (address & DWORD_MASK) != 0) {
            return false;
        }
        int pages = writePages(lists.address(identifier), 0, address + inFirst, bytes - inFirst);
        chooseSecond(identifier, pages);
        return pages == (bytes - inFirst + PAGE_MASK) / PAGE_BYTES;
    }

    /**
     * Names the segments from byte {@code skip} of segment {@code segment} on by PRP entries.
     *
     * @param end the segment after the last
     * @param bytes how much to name, at most {@link #MAX_BYTES}; the segments hold it
     * @param unit what is named is a multiple of this, a power of two
     * @return how many bytes are named, 0 where PRP entries cannot name a single unit
     */
    int prp(
            int identifier, long[] addresses, int[] lengths, int segment, int end, int skip, int bytes, int unit) {
        flags = 0;
        long start = addresses[segment] + skip;
        first = space.translate(start);
        if (first == DmaSpace.UNMAPPED || (start & DWORD_MASK) != 0) {
            return 0;
        }
        long list = lists.address(identifier);
        int named = 0;
        int pages = 0;
        long expected = start;
        for (int i = segment; i < end && named < bytes; i++) {
            long at = i == segment ? start : addresses[i];
            int length = Math.min(bytes - named, i == segment ? lengths[i] - skip : lengths[i]);
            if (at != expected && ((at | expected) & PAGE_MASK) != 0) {
                break; // a gap within a page
            }
            expected = at + length;
            int within = named == 0 || (at & PAGE_MASK) != 0
                    ? Math.min(length, PAGE_BYTES - ((int) at & PAGE_MASK))
                    : 0;
            int wanted = (length - within + PAGE_MASK) / PAGE_BYTES;
            int written = writePages(list, pages, at + within, length - within);
            pages += written;
            if (written < wanted) {
                named += within + written * PAGE_BYTES;
                break; // the controller does not reach the rest
            }
            named += length;
        }
        named &= -unit;
        int inFirst = PAGE_BYTES - ((int) start & PAGE_MASK);
        chooseSecond(identifier, (Math.max(0, named - inFirst) + PAGE_MASK) / PAGE_BYTES);
        return named;
    }

    /** Adds an entry for each page of a range that starts on a page; returns how many were mapped. */
    private int writePages(long list, int index, long address, int bytes) {
        int written = 0;
        long at = address;
        int left = bytes;
        long device = 0;
        long contiguous = 0;
        while (left > 0) {
            if (contiguous < PAGE_BYTES) {
                device = space.translate(at);
                contiguous = space.contiguousBytes(at);
                if (device == DmaSpace.UNMAPPED) {
                    break;
                }
            }
            Memory.putLong(list + 8L * (index + written), device);
            written++;
            device += PAGE_BYTES;
            contiguous -= PAGE_BYTES;
            at += PAGE_BYTES;
            left -= PAGE_BYTES;
        }
        return written;
    }

    /** Entry 2 is unused, the second page, or where the list is. */
    private void chooseSecond(int identifier, int pagesAfterFirst) {
        second = pagesAfterFirst == 0
                ? 0
                : pagesAfterFirst == 1 ? Memory.getLong(lists.address(identifier)) : lists.deviceAddress(identifier);
    }

    /** As {@link #prp(int, long[], int[], int, int, int, int, int)}, by an SGL. */
    int sgl(
            int identifier, long[] addresses, int[] lengths, int segment, int end, int skip, int bytes, int unit) {
        long list = lists.address(identifier);
        int named = 0;
        int pieces = 0;
        for (int i = segment; i < end && named < bytes && pieces < SGL_ENTRIES; i++) {
            long at = i == segment ? addresses[i] + skip : addresses[i];
            int left = Math.min(bytes - named, i == segment ? lengths[i] - skip : lengths[i]);
            if (dwordSgl && ((at | left) & DWORD_MASK) != 0) {
                break;
            }
            while (left > 0 && pieces < SGL_ENTRIES) {
                long device = space.translate(at);
                if (device == DmaSpace.UNMAPPED) {
                    break;
                }
                int piece = (int) Math.min(left, space.contiguousBytes(at));
                Memory.putLong(list + 16L * pieces, device);
                Memory.putLong(list + 16L * pieces + 8, piece);
                pieces++;
                named += piece;
                at += piece;
                left -= piece;
            }
            if (left > 0) {
                break;
            }
        }
        int excess = named & (unit - 1);
        named -= excess;
        if (named > 0) {
            finishSgl(identifier, pieces, excess);
        }
        return named;
    }

    private void finishSgl(int identifier, int pieces, int excess) {
        long list = lists.address(identifier);
        int count = pieces;
        int tooMuch = excess;
        // Pieces beyond the last whole unit are taken back.
        while (tooMuch > 0) {
            long length = list + 16L * (count - 1) + 8;
            int last = Memory.getInt(length);
            if (last > tooMuch) {
                Memory.putLong(length, last - tooMuch);
                tooMuch = 0;
            } else {
                tooMuch -= last;
                count--;
            }
        }
        flags = Entries.FLAG_SGL;
        if (count == 1) {
            first = Memory.getLong(list);
            second = Memory.getLong(list + 8);
        } else {
            first = lists.deviceAddress(identifier);
            second = count * 16L | SGL_LAST_SEGMENT;
        }
    }
}
