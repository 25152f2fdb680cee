package io.gatun.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One MSI-X vector of a VFIO device, which signals an eventfd while it is on. Switching allocates nothing; the kernel
 * sets the interrupt up or tears it down, which takes some microseconds.
 *
 * <p>All vectors of a device are reserved at first by {@link VfioCalls#setIrqs} with as many -1.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class VfioVector {
    private final int device;
    private final MemorySegment on;
    private final MemorySegment off;

    /** The vector {@code number} of a device, and the eventfd that it is to signal. */
    public VfioVector(Fd device, int number, EventFd event) {
        this.device = device.value();
        on = VfioCalls.irqSet(Arena.ofAuto(), VfioCalls.PCI_MSIX_IRQ, number, event.value());
        off = VfioCalls.irqSet(Arena.ofAuto(), VfioCalls.PCI_MSIX_IRQ, number, -1);
    }

    /** Lets interrupts reach the eventfd; returns 0 or {@code -errno}. */
    public int enable() {
        return VfioCalls.setIrqs(device, on);
    }

    /** Keeps interrupts from the eventfd; returns 0 or {@code -errno}. */
    public int disable() {
        return VfioCalls.setIrqs(device, off);
    }
}
