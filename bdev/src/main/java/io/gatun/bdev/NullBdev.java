package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.reactor.Reactor;

/**
 * A device that accepts everything and keeps nothing: reads leave the buffers as they are. For measuring what lies
 * above a device.
 *
 * <p><b>Thread-safety:</b> as {@link Bdev}.
 */
public final class NullBdev extends MediumlessBdev {
    private final NullOptions options;
    private final Resizes resizes = new Resizes();
    private volatile long blockCount;

    private NullBdev(NullOptions options) {
        super(options.name(), options.uuid(), options.blockSizeBytes(), options.physicalBlockSizeBytes(), () -> {});
        this.options = options;
        this.blockCount = options.blockCount();
    }

    /** Makes a device of the size asked for; it costs nothing. */
    public static NullBdev create(NullOptions options) {
        return new NullBdev(options);
    }

    /**
     * Changes the size, in blocks, and tells the listeners; throws {@link IllegalArgumentException} if it is refused.
     */
    public void resize(long newBlockCount) {
        Geometry.check(options.blockSizeBytes(), options.physicalBlockSizeBytes(), newBlockCount);
        blockCount = newBlockCount;
        resizes.announce();
    }

    @Override
    public String productName() {
        return "Null disk";
    }

    @Override
    public long blockCount() {
        return blockCount;
    }

    @Override
    public BdevChannel openChannel(Reactor reactor) {
        openCount.open();
        return new Channel(openCount);
    }

    @Override
    public Registration onResize(Runnable listener) {
        return resizes.add(listener);
    }

    @Override
    public String toString() {
        return "null:" + name();
    }

    private static final class Channel extends BdevChannel {
        private final OpenCount openCount;
        private boolean closed;

        private Channel(OpenCount openCount) {
            this.openCount = openCount;
        }

        @Override
        public int submit(BdevRequest request) {
            int operation = request.operation;
            return operation >= BdevRequest.READ && operation <= BdevRequest.WRITE_ZEROES ? 0 : -Errno.EOPNOTSUPP;
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                openCount.close();
            }
        }
    }
}
