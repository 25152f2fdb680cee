package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.linux.FileIo;
import io.gatun.linux.Mapping;

/**
 * A file by plain system calls: every request is done when {@code submit} returns, and the thread waits for the medium
 * meanwhile. For files in memory, and for kernels that forbid io_uring.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class BlockingFileChannel extends BdevChannel {
    private static final int BUFFER_BYTES = 256 << 10;
    private static final int KEEP_SIZE = FileIo.FALLOC_FL_KEEP_SIZE;

    private final FileImage image;
    private final OpenCount openCount;

    /** One mapping for all of it: where there is no room, nothing is left over. */
    private final Mapping memory = Mapping.anonymous(2 * BUFFER_BYTES);

    /** For direct I/O of what is not aligned, and for zeros; touched by nothing else. */
    private final long buffer = memory.address();

    private final long zeros = buffer + BUFFER_BYTES;
    private boolean closed;

    BlockingFileChannel(FileImage image, OpenCount openCount) {
        this.image = image;
        this.openCount = openCount;
    }

    @Override
    public int submit(BdevRequest request) {
        int refusal = image.admit(request);
        if (refusal < 0) {
            return refusal;
        }
        long result =
                switch (request.operation) {
                    case BdevRequest.READ, BdevRequest.WRITE -> transfer(request);
                    case BdevRequest.FLUSH -> FileIo.fdatasync(image.fd());
                    case BdevRequest.DISCARD -> discard(request);
                    case BdevRequest.WRITE_ZEROES -> zero(request);
                    default -> -Errno.EOPNOTSUPP;
                };
        if (result >= 0) {
            return 0;
        }
        return result == -Errno.EOPNOTSUPP ? (int) result : image.failed(request, (int) result, "");
    }

    private long transfer(BdevRequest request) {
        boolean write = request.operation == BdevRequest.WRITE;
        if (!Segments.aligned(request, image.alignment)) {
            image.bounced.incrementAndGet();
            return bounce(request, write);
        }
        long offset = request.offsetBytes;
        int end = request.firstSegment + request.segmentCount;
        for (int i = request.firstSegment; i < end; i++) {
            long result = transfer(write, request.addresses[i], request.lengths[i], offset);
            if (result < 0) {
                return result;
            }
            offset += request.lengths[i];
        }
        return 0;
    }

    private long bounce(BdevRequest request, boolean write) {
        for (long done = 0; done < request.lengthBytes; ) {
            long piece = Math.min(BUFFER_BYTES, request.lengthBytes - done);
            if (write) {
                Segments.gather(request, done, piece, buffer);
            }
            long result = transfer(write, buffer, piece, request.offsetBytes + done);
            if (result < 0) {
                return result;
            }
            if (!write) {
                Segments.scatter(request, done, piece, buffer);
            }
            done += piece;
        }
        return 0;
    }

    /** All of it, or {@code -errno}; the end of the file is {@code -EIO}. */
    private long transfer(boolean write, long address, long length, long offset) {
        long result = write
                ? FileIo.pwriteFully(image.fd(), address, length, offset)
                : FileIo.preadFully(image.fd(), address, length, offset);
        return result < 0 || result == length ? result : -Errno.EIO;
    }

    private int discard(BdevRequest request) {
        int result = FileIo.fallocate(
                image.fd(), FileIo.FALLOC_FL_PUNCH_HOLE | KEEP_SIZE, request.offsetBytes, request.lengthBytes);
        // Only a hint: a file system without holes keeps the data.
        return result == -Errno.EOPNOTSUPP ? 0 : result;
    }

    private long zero(BdevRequest request) {
        int mode = request.unmap ? FileIo.FALLOC_FL_PUNCH_HOLE : FileIo.FALLOC_FL_ZERO_RANGE;
        long result = FileIo.fallocate(image.fd(), mode | KEEP_SIZE, request.offsetBytes, request.lengthBytes);
        if (result != -Errno.EOPNOTSUPP) {
            return result;
        }
        for (long done = 0; done < request.lengthBytes; done += BUFFER_BYTES) {
            long piece = Math.min(BUFFER_BYTES, request.lengthBytes - done);
            result = transfer(true, zeros, piece, request.offsetBytes + done);
            if (result < 0) {
                return result;
            }
        }
        return 0;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            memory.close();
            openCount.close();
        }
    }
}
