package io.gatun.vfio;

import java.util.ArrayList;
import java.util.List;

/**
 * Memory for queues, lists and buffers that live and die together: pieces are cut off one after the other, each
 * contiguous for the device, and given back all at once by {@link #close}.
 *
 * <p><b>Thread-safety:</b> none; one thread at a time.
 */
public final class DmaArena implements AutoCloseable {
    private final DmaSpace space;
    private final long chunkBytes;
    private final List<DmaBuffer> chunks = new ArrayList<>();
    private long next;
    private long end;

    /**
     * Takes nothing yet.
     *
     * @param chunkBytes how much is asked of the space at a time, such as 2 MiB where it has hugepages
     */
    public DmaArena(DmaSpace space, long chunkBytes) {
        this.space = space;
        this.chunkBytes = chunkBytes;
    }

    /**
     * Zeroed bytes that are contiguous for the device.
     *
     * @param alignment a power of two, up to a page; what is aligned here is for the device, too
     * @return their address in this process; {@link DmaSpace#translate} has the device's
     * @throws io.gatun.linux.LinuxException with the remedy
     * @throws IllegalArgumentException for more bytes than the space has at one stretch
     */
    public long allocate(long lengthBytes, long alignment) {
        if (lengthBytes <= 0 || Long.bitCount(alignment) != 1 || alignment > DmaSpace.PAGE_BYTES) {
            throw new IllegalArgumentException(lengthBytes + " bytes aligned to " + alignment);
        }
        long found = place(lengthBytes, alignment);
        if (found == 0) {
            DmaBuffer chunk = space.allocate(Math.max(chunkBytes, lengthBytes));
            chunks.add(chunk);
            next = chunk.address();
            end = chunk.address() + chunk.lengthBytes();
            found = place(lengthBytes, alignment);
        }
        if (found == 0) {
            throw new IllegalArgumentException(space + " has no " + lengthBytes + " bytes at one stretch, but "
                    + space.contiguousBytes(chunks.getLast().address()));
        }
        next = found + lengthBytes;
        return found;
    }

    /** Where the bytes fit into the rest of the present chunk, or 0. */
    private long place(long lengthBytes, long alignment) {
        long at = next + alignment - 1 & -alignment;
        while (at + lengthBytes <= end) {
            long contiguous = space.contiguousBytes(at);
            if (contiguous >= lengthBytes) {
                return at;
            }
            at += contiguous; // the next page, which is aligned
        }
        return 0;
    }

    /** Gives everything back. */
    @Override
    public void close() {
        chunks.forEach(DmaBuffer::close);
        chunks.clear();
        next = 0;
        end = 0;
    }
}
