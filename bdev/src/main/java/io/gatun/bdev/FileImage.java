package io.gatun.bdev;

import io.gatun.linux.BlockDevice;
import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.FileStatus;
import io.gatun.linux.LinuxException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The open file under a {@link FileBdev}: locked, measured, and shared by its channels.
 *
 * <p><b>The lock</b> belongs to the open file, so the kernel drops it only when the last reference is gone: after a
 * crash that means after the last of the dead process's operations has ended. A successor that holds the lock can
 * therefore run the requests in flight again without a late write of its predecessor landing on top of a newer one.
 * That is why opening waits a moment for the lock instead of giving up at once.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class FileImage implements AutoCloseable {
    private static final long LOCK_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);
    private static final long LOCK_PAUSE_MILLIS = 10;

    /** What direct I/O is aligned to where the kernel cannot say, and at least. */
    private static final int LEAST_DIRECT_ALIGNMENT = 512;

    private static final int PHYSICAL_BLOCK_BYTES = 4096;

    final Path path;
    final String name;
    final boolean readOnly;
    final FaultLog log;

    /** What addresses, lengths and offsets of direct I/O are multiples of; 1 where the page cache is used. */
    final int alignment;

    /** Requests that went through a bounce buffer because the guest's buffer was not aligned for direct I/O. */
    final AtomicLong bounced = new AtomicLong();

    /** What the file cannot do is found out once, by whoever tries first. */
    volatile boolean cannotPunchHoles;

    volatile boolean cannotZeroRanges;

    private final Fd fd;
    private final FileStatus status;
    private final int blockSizeBytes;
    private volatile long blockCount;

    private FileImage(FileOptions options, Fd fd) {
        this.path = options.path();
        this.name = options.name();
        this.readOnly = options.readOnly();
        this.blockSizeBytes = options.blockSizeBytes();
        this.fd = fd;
        this.log = new FaultLog("file " + name + " (" + path + ")");
        this.status = FileStatus.of(fd);
        if (!status.isRegular() && !status.isBlockDevice()) {
            throw new IllegalArgumentException(path + " is neither a regular file nor a block device");
        }
        this.alignment = options.direct() ? directAlignment() : 1;
        lock();
        this.blockCount = measure();
        if (blockCount == 0) {
            throw new IllegalArgumentException(
                    path + " has " + lengthBytes() + " bytes, less than one block of " + blockSizeBytes);
        }
    }

    /** Opens and locks; throws {@link LinuxException} or {@link IllegalArgumentException} with what is wrong. */
    static FileImage open(FileOptions options) {
        int flags = options.readOnly() ? FileIo.O_RDONLY : FileIo.O_RDWR;
        Fd fd = FileIo.open(options.path().toString(), flags | (options.direct() ? FileIo.O_DIRECT : 0), 0);
        try {
            return new FileImage(options, fd);
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    private int directAlignment() {
        int known = status.isBlockDevice()
                ? BlockDevice.logicalBlockSizeBytes(fd.value())
                : status.directAlignmentBytes();
        int needed = Math.max(known, LEAST_DIRECT_ALIGNMENT);
        if (needed > blockSizeBytes) {
            throw new IllegalArgumentException("direct I/O on " + path + " needs blocks of " + needed
                    + " bytes, not " + blockSizeBytes + "; set the block size to " + needed + " or use the page cache");
        }
        return needed;
    }

    private void lock() {
        long deadline = System.nanoTime() + LOCK_WAIT_NANOS;
        int result = FileIo.lock(fd.value(), readOnly);
        while (result == -Errno.EAGAIN && System.nanoTime() - deadline < 0) {
            pause();
            result = FileIo.lock(fd.value(), readOnly);
        }
        if (result < 0) {
            String remedy = result == -Errno.EAGAIN ? "another process uses it; end that first" : "";
            throw new LinuxException("lock " + path, result, remedy);
        }
    }

    private static void pause() {
        try {
            Thread.sleep(LOCK_PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for the lock of a file", e);
        }
    }

    int fd() {
        return fd.value();
    }

    /** Whether I/O never waits for a medium. */
    boolean isInMemory() {
        return status.isRegular() && FileIo.isInMemory(fd);
    }

    boolean isBlockDevice() {
        return status.isBlockDevice();
    }

    int physicalBlockSizeBytes() {
        int size = status.isBlockDevice() ? BlockDevice.physicalBlockSizeBytes(fd.value()) : PHYSICAL_BLOCK_BYTES;
        return Math.max(size, blockSizeBytes);
    }

    /** How many whole blocks the file had when it was last measured. */
    long blockCount() {
        return blockCount;
    }

    long capacityBytes() {
        return blockCount * blockSizeBytes;
    }

    /** Measures the file again; true if the number of whole blocks is another. */
    boolean measureAgain() {
        long now = measure();
        boolean changed = now != blockCount;
        blockCount = now;
        return changed;
    }

    private long measure() {
        return Math.min(lengthBytes(), Geometry.MAX_CAPACITY_BYTES) / blockSizeBytes;
    }

    private long lengthBytes() {
        long length = status.isBlockDevice() ? BlockDevice.lengthBytes(fd.value()) : FileStatus.lengthBytes(fd.value());
        if (length < 0) {
            throw new LinuxException("measure " + path, (int) length, "");
        }
        return length;
    }

    /** Checks a request against what this file is; 0 or {@code -errno}. */
    int admit(BdevRequest request) {
        boolean empty = request.lengthBytes == 0 && request.operation != BdevRequest.FLUSH;
        if (empty || !BdevChannel.inRange(request, capacityBytes())) {
            return -Errno.EINVAL;
        }
        return readOnly && request.operation != BdevRequest.READ && request.operation != BdevRequest.FLUSH
                ? -Errno.EROFS
                : 0;
    }

    /** Reports a failed request with the file, the range and the reason; returns {@code error}. */
    int failed(BdevRequest request, int error, String reason) {
        log.report(String.format(
                "%s of %d bytes at %d: %s%s",
                BdevRequest.operationName(request.operation),
                request.lengthBytes,
                request.offsetBytes,
                Errno.name(error),
                reason.isEmpty() ? "" : ", " + reason));
        return error;
    }

    /** Reports that the file ended before the request did; returns the error. */
    int endedEarly(BdevRequest request) {
        return failed(request, -Errno.EIO, "the file has become shorter than the " + capacityBytes() + " bytes it had");
    }

    @Override
    public void close() {
        fd.close();
    }
}
