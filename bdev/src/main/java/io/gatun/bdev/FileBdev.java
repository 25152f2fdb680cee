package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.linux.IoUring;
import io.gatun.linux.LinuxException;
import io.gatun.reactor.Reactor;
import java.nio.file.Files;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A regular file or a block device.
 *
 * <p>Each channel has an io_uring of its own; reads and writes name the caller's memory, so nothing is copied but what
 * direct I/O cannot take because of its alignment. Where the kernel forbids io_uring, channels use plain system calls,
 * one at a time, and say so once.
 *
 * <p>The file is locked while it is open: for itself if it is writable, shared if it is read-only. The kernel drops the
 * lock with the last operation of a process that dies.
 *
 * <p>Discard punches holes and write-zeroes zeroes or frees the range; where the file system has neither, discard does
 * nothing and zeros are written. A file that has become shorter than the device answers with {@code -EIO}; see {@link
 * #rescan}.
 *
 * <p><b>Thread-safety:</b> as {@link Bdev}.
 */
public final class FileBdev implements Bdev {
    private static final Logger LOG = LoggerFactory.getLogger(FileBdev.class);

    private final FileOptions options;
    private final FileImage image;
    private final OpenCount openCount;
    private final Resizes resizes = new Resizes();
    private final boolean ring;

    private FileBdev(FileOptions options, FileImage image, boolean ring) {
        this.options = options;
        this.image = image;
        this.ring = ring;
        this.openCount = new OpenCount(options.name(), image::close);
    }

    /**
     * Opens and locks the file.
     *
     * @throws LinuxException where the kernel refuses, with the path and the remedy
     * @throws IllegalArgumentException where the file cannot be such a device: not a file, too short, wrong block size
     */
    public static FileBdev open(FileOptions options) {
        FileImage image = FileImage.open(options);
        if (image.isInMemory()) {
            // The kernel hands io_uring's requests for such a file to a helper thread each; a plain call copies at
            // once.
            return new FileBdev(options, image, false);
        }
        Optional<LinuxException> refusal = IoUring.probe();
        refusal.ifPresent(reason -> LOG.warn(
                "file {} ({}) is served by blocking system calls: {}",
                options.name(),
                options.path(),
                reason.getMessage()));
        return new FileBdev(options, image, refusal.isEmpty());
    }

    /** As {@link #open}, but with io_uring wherever the file lies. */
    static FileBdev openWithRing(FileOptions options) {
        return new FileBdev(options, FileImage.open(options), true);
    }

    /** As {@link #open}, but without io_uring even where the kernel allows it. */
    public static FileBdev openBlocking(FileOptions options) {
        return new FileBdev(options, FileImage.open(options), false);
    }

    /**
     * Measures the file again and tells the listeners if its number of blocks has changed.
     *
     * @return the number of blocks now
     * @throws LinuxException where the path is gone ({@code ENOENT}); requests still reach the open file
     */
    public long rescan() {
        if (!Files.exists(options.path())) {
            throw new LinuxException("rescan " + options.path(), -Errno.ENOENT, "the open file has no name any more");
        }
        long before = image.blockCount();
        if (image.measureAgain()) {
            LOG.info("file {} ({}): {} blocks, before {}", name(), options.path(), image.blockCount(), before);
            resizes.announce();
        }
        return image.blockCount();
    }

    /** How many requests were copied because their buffers were not aligned for direct I/O. */
    public long bouncedRequests() {
        return image.bounced.get();
    }

    /** Whether channels use io_uring. */
    public boolean usesRing() {
        return ring;
    }

    public FileOptions options() {
        return options;
    }

    @Override
    public String name() {
        return options.name();
    }

    @Override
    public String productName() {
        return image.isBlockDevice() ? "Block device" : "File disk";
    }

    @Override
    public UUID uuid() {
        return options.uuid();
    }

    @Override
    public int blockSizeBytes() {
        return options.blockSizeBytes();
    }

    @Override
    public int physicalBlockSizeBytes() {
        return image.physicalBlockSizeBytes();
    }

    @Override
    public long blockCount() {
        return image.blockCount();
    }

    @Override
    public boolean readOnly() {
        return options.readOnly();
    }

    @Override
    public boolean writeCache() {
        return !options.readOnly();
    }

    @Override
    public boolean supports(int operation) {
        return switch (operation) {
            case BdevRequest.READ, BdevRequest.FLUSH -> true;
            case BdevRequest.WRITE, BdevRequest.DISCARD, BdevRequest.WRITE_ZEROES -> !options.readOnly();
            default -> false;
        };
    }

    @Override
    public BdevChannel openChannel(Reactor reactor) {
        openCount.open();
        try {
            return ring ? new RingFileChannel(image, openCount) : new BlockingFileChannel(image, openCount);
        } catch (RuntimeException e) {
            openCount.close();
            throw e;
        }
    }

    @Override
    public Registration onResize(Runnable listener) {
        return resizes.add(listener);
    }

    @Override
    public void close() {
        openCount.closeDevice();
    }

    @Override
    public String toString() {
        return "file:" + name();
    }
}
