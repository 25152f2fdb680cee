package io.gatun.bdev.virtio;

import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Memory;

/**
 * The ranges of one discard or write-zeroes request (VIRTIO 1.3 §5.2.6): fetched once, checked, then submitted one
 * after the other.
 *
 * <p><b>Thread-safety:</b> belongs to its slot.
 */
final class BlkRanges {
    /** How many ranges a request may have: {@code max_discard_seg} and {@code max_write_zeroes_seg}. */
    static final int MAX_RANGES = 32;

    /** A range's length is at most this: {@code max_discard_sectors}, 1 GiB. */
    static final int MAX_DISCARD_SECTORS = 1 << 21;

    /** A range's length is at most this: {@code max_write_zeroes_sectors}, 64 MiB, as zeros may have to be written. */
    static final int MAX_WRITE_ZEROES_SECTORS = 1 << 17;

    private final long[] sectors = new long[MAX_RANGES];
    private final long[] lengths = new long[MAX_RANGES];
    private final boolean[] unmap = new boolean[MAX_RANGES];
    private final byte[] pieces = new byte[VirtioBlk.RANGE_BYTES];
    private int count;
    private int next;

    /** Why the ranges were refused; null if they were not. */
    String problem;

    /** Forgets the ranges of the last request. */
    void clear() {
        count = 0;
        next = 0;
        problem = null;
    }

    boolean hasNext() {
        return next < count;
    }

    /** Makes {@code request} the next range. */
    void next(BdevRequest request) {
        request.offsetBytes = sectors[next] << VirtioBlk.SECTOR_SHIFT;
        request.lengthBytes = lengths[next] << VirtioBlk.SECTOR_SHIFT;
        request.unmap = unmap[next];
        next++;
    }

    /**
     * Fetches and checks a request's ranges; all of them before the first is carried out.
     *
     * @param blockSectors sectors in a block
     * @return {@link VirtioBlk#S_OK}, or the status to refuse the request with, see {@link #problem}
     */
    byte fetch(BlkSlot slot, boolean discard, long capacitySectors, int blockSectors) {
        clear();
        long bytes = slot.outBytes();
        if (bytes == 0 || bytes % VirtioBlk.RANGE_BYTES != 0 || bytes / VirtioBlk.RANGE_BYTES > MAX_RANGES) {
            return refuse(VirtioBlk.S_IOERR, bytes + " bytes of ranges; must be 1 to " + MAX_RANGES + " times 16");
        }
        int ranges = (int) (bytes / VirtioBlk.RANGE_BYTES);
        int segment = slot.outFirst;
        int at = 0;
        for (int i = 0; i < ranges; i++) {
            for (int have = 0; have < VirtioBlk.RANGE_BYTES; ) {
                int piece = Math.min(VirtioBlk.RANGE_BYTES - have, slot.chain.lengths[segment] - at);
                Memory.copyToArray(slot.chain.addresses[segment] + at, pieces, have, piece);
                have += piece;
                at += piece;
                if (at == slot.chain.lengths[segment]) {
                    segment++;
                    at = 0;
                }
            }
            byte status = check(discard, capacitySectors, blockSectors);
            if (status != VirtioBlk.S_OK) {
                count = 0;
                return status;
            }
        }
        return VirtioBlk.S_OK;
    }

    private byte check(boolean discard, long capacitySectors, int blockSectors) {
        long sector = number(VirtioBlk.RANGE_SECTOR, 8);
        long length = number(VirtioBlk.RANGE_SECTORS, 4);
        long flags = number(VirtioBlk.RANGE_FLAGS, 4);
        if ((flags & ~VirtioBlk.RANGE_F_UNMAP) != 0 || (discard && flags != 0)) {
            return refuse(VirtioBlk.S_UNSUPP, "flags 0x" + Long.toHexString(flags));
        }
        long limit = discard ? MAX_DISCARD_SECTORS : MAX_WRITE_ZEROES_SECTORS;
        if (length > limit) {
            return refuse(VirtioBlk.S_IOERR, "a range of " + length + " sectors; at most " + limit);
        }
        // A sector is unsigned: what reads as negative is beyond every capacity.
        if (sector < 0 || sector > capacitySectors - length) {
            return refuse(VirtioBlk.S_IOERR, "sector " + Long.toUnsignedString(sector) + " and " + length
                    + " more are beyond the capacity of " + capacitySectors);
        }
        if (((sector | length) & (blockSectors - 1)) != 0) {
            return refuse(VirtioBlk.S_IOERR, "sector " + sector + " and " + length + " more are not whole blocks");
        }
        if (length != 0) {
            sectors[count] = sector;
            lengths[count] = length;
            unmap[count] = flags != 0;
            count++;
        }
        return VirtioBlk.S_OK;
    }

    private byte refuse(byte status, String reason) {
        problem = reason;
        return status;
    }

    private long number(int offset, int bytes) {
        long value = 0;
        for (int i = bytes - 1; i >= 0; i--) {
            value = value << 8 | (pieces[offset + i] & 0xff);
        }
        return value;
    }
}
