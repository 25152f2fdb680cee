package io.gatun.vfio;

/**
 * The memory of a device that is software in this process: the device's addresses are the process's own.
 *
 * <p><b>Thread-safety:</b> as {@link DmaSpace}.
 */
public final class LocalSpace extends DmaSpace {
    /** A device that reaches nothing yet. */
    public LocalSpace() {}

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        return DmaMemory.ordinary(this, lengthBytes);
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        return DmaRegion.linear(address, lengthBytes, address);
    }

    @Override
    protected void detach(DmaRegion region) {}

    @Override
    public String toString() {
        return "memory of a device in this process";
    }
}
