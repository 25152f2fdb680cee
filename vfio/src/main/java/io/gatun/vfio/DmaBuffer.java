package io.gatun.vfio;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Memory of our own that a device reaches, from {@link DmaSpace#allocate}.
 *
 * <p><b>Thread-safety:</b> {@link #close} may be called from any thread, once nobody uses the memory any more, the
 * device included.
 */
public final class DmaBuffer implements AutoCloseable {
    private final long address;
    private final long lengthBytes;
    private final boolean huge;
    private final Runnable release;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * For implementations of {@link DmaSpace}: ordinary pages.
     *
     * @param release takes the memory from the device and gives it back; runs once
     */
    public DmaBuffer(long address, long lengthBytes, Runnable release) {
        this(address, lengthBytes, false, release);
    }

    DmaBuffer(long address, long lengthBytes, boolean huge, Runnable release) {
        this.address = address;
        this.lengthBytes = lengthBytes;
        this.huge = huge;
        this.release = release;
    }

    /** Where it is in this process. */
    public long address() {
        return address;
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    /** Whether it lies on reserved hugepages. */
    public boolean isHuge() {
        return huge;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            release.run();
        }
    }

    @Override
    public String toString() {
        return String.format("%d bytes at 0x%x%s", lengthBytes, address, closed.get() ? " (closed)" : "");
    }
}
