package io.gatun.bdev.virtio;

import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Memory;
import io.gatun.vring.DescriptorChain;

/**
 * One request of a guest while it is being served: its chain, what its header says, and where its parts lie.
 *
 * <p>The parts may be cut into descriptors in any way (VIRTIO 1.3 §2.7.4.1): a header in pieces or with data behind it,
 * a status byte at the end of the data. {@link #frame} finds them and trims the chain's segments to the data alone. It
 * reads the header once; the guest may change it afterwards to no effect.
 *
 * <p><b>Thread-safety:</b> belongs to its queue's thread.
 */
final class BlkSlot {
    /** Grown when a guest sends more, up to the size of its ring. */
    private static final int EXPECTED_SEGMENTS = 16;

    /** Once the request is framed, the queue needs its identity only: the segments are ours to trim. */
    final DescriptorChain chain = new DescriptorChain(EXPECTED_SEGMENTS);

    final BdevRequest request = new BdevRequest();

    /** Whether the chain has room for a status, so that there is a way to answer. */
    boolean framed;

    /** Whether the write is to be made durable before it completes. */
    boolean flushAfter;

    // The header.
    int type;
    long sector;

    long statusAddress;

    /** The data that the device reads: segments {@code [outFirst, outFirst + outCount)}. */
    int outFirst;

    int outCount;

    /** The data that the device writes: segments {@code [inFirst, inFirst + inCount)}. */
    int inFirst;

    int inCount;

    /** Ranges of a discard or write-zeroes request that are still to be submitted; made on first use. */
    BlkRanges ranges;

    BlkSlot(int tag) {
        request.tag = tag;
        shareSegments();
    }

    /** Gives the request the chain's arrays, which {@link #frame} trims in place. */
    void shareSegments() {
        request.addresses = chain.addresses;
        request.lengths = chain.lengths;
    }

    /** Bytes of data that the device reads. */
    long outBytes() {
        return chain.readableBytes - VirtioBlk.HEADER_BYTES;
    }

    /** Bytes of data that the device writes. */
    long inBytes() {
        return chain.writableBytes - 1;
    }

    /** Finds header, data and status; the header alone may be missing, see {@link #hasHeader}. */
    void frame() {
        DescriptorChain c = chain;
        int last = c.segmentCount - 1;
        int readable = c.readableCount;
        framed = last >= readable;
        if (!framed) {
            type = -1;
            return;
        }
        int statusLength = c.lengths[last];
        inFirst = readable;
        if (statusLength == 1) {
            statusAddress = c.addresses[last];
            inCount = last - readable;
        } else {
            statusAddress = c.addresses[last] + statusLength - 1;
            c.lengths[last] = statusLength - 1;
            inCount = last - readable + 1;
        }
        if (readable != 0 && c.lengths[0] == VirtioBlk.HEADER_BYTES) {
            long header = c.addresses[0];
            type = Memory.getInt(header + VirtioBlk.HEADER_TYPE);
            sector = Memory.getLong(header + VirtioBlk.HEADER_SECTOR);
            outFirst = 1;
            outCount = readable - 1;
        } else if (hasHeader()) {
            gatherHeader();
        } else {
            type = -1;
        }
    }

    boolean hasHeader() {
        return chain.readableBytes >= VirtioBlk.HEADER_BYTES;
    }

    /** Reads a header that is in pieces, or has data behind it in its descriptor. */
    private void gatherHeader() {
        long[] addresses = chain.addresses;
        int[] lengths = chain.lengths;
        long low = 0;
        long high = 0;
        int segment = 0;
        int at = 0;
        for (int i = 0; i < VirtioBlk.HEADER_BYTES; i++) {
            // Segments are not empty and hold at least a header, so the next one exists.
            if (at == lengths[segment]) {
                segment++;
                at = 0;
            }
            long value = Memory.getByte(addresses[segment] + at) & 0xffL;
            at++;
            if (i < VirtioBlk.HEADER_SECTOR) {
                low |= value << (8 * i);
            } else {
                high |= value << (8 * (i - VirtioBlk.HEADER_SECTOR));
            }
        }
        type = (int) low;
        sector = high;
        if (at == lengths[segment]) {
            segment++;
        } else {
            addresses[segment] += at;
            lengths[segment] -= at;
        }
        outFirst = segment;
        outCount = chain.readableCount - segment;
    }
}
