package io.gatun.daemon.bench;

/**
 * How one queue's requests reach the device and come back. A request lives in a slot, which has a data buffer of one
 * block.
 *
 * <p><b>Thread-safety:</b> made by the thread that sets up, used by the queue's thread alone.
 */
abstract class BlkTransport implements AutoCloseable {
    /** Where the slot's data lies. */
    abstract long dataAddress(int slot);

    /** Starts a request of a free slot; it may wait for {@link #publish}. */
    abstract void submit(int slot, boolean write, long offsetBytes);

    /** Shows the device everything submitted. */
    abstract void publish();

    /** The slot of the next completed request, or -1 if there is none. */
    abstract int pop();

    /** What became of the request just popped: a virtio-blk status byte. */
    abstract int status(int slot);

    /** Why nothing completes any more, or null if that is not known. */
    abstract String failure();

    /** How often the device asked for a notification. */
    abstract long kicks();

    @Override
    public void close() {}
}
