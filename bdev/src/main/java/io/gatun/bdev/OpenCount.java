package io.gatun.bdev;

/**
 * Keeps what a device holds until the device and all its channels have closed.
 *
 * <p><b>Thread-safety:</b> any thread. Whoever closes last runs the release, after everything the others did.
 */
final class OpenCount {
    private final String name;
    private final Runnable release;

    /** The device itself counts for one. */
    private int users = 1;

    private boolean deviceClosed;

    OpenCount(String name, Runnable release) {
        this.name = name;
        this.release = release;
    }

    /** A channel opens; throws {@link IllegalStateException} after the device was closed. */
    synchronized void open() {
        if (deviceClosed) {
            throw new IllegalStateException("block device " + name + " is closed");
        }
        users++;
    }

    /** A channel closes. */
    synchronized void close() {
        if (--users == 0) {
            release.run();
        }
    }

    /** The device itself closes; only the first call counts. */
    synchronized void closeDevice() {
        if (!deviceClosed) {
            deviceClosed = true;
            close();
        }
    }
}
