package io.gatun.vfio;

import io.gatun.linux.EventFd;
import java.util.List;

/**
 * A PCI function that this process drives: its registers, its configuration space, its interrupts, and the memory it
 * reaches. Opened through VFIO ({@link VfioDevice}) or UIO ({@link UioDevice}).
 *
 * <p>A driver stops its device before it closes this: what the device still does to memory afterwards an IOMMU stops,
 * and without one nothing does.
 *
 * <p><b>Thread-safety:</b> set-up and tear-down by one thread; vectors are switched by any; a {@link Bar} and a {@link
 * DmaSpace} say themselves.
 */
public abstract sealed class PciDevice implements AutoCloseable permits VfioDevice, UioDevice {
    private final PciFunction function;

    PciDevice(PciFunction function) {
        this.function = function;
    }

    /** What sysfs said of it when it was opened. */
    public final PciFunction function() {
        return function;
    }

    /**
     * Maps a memory BAR, which its closing unmaps; each call makes a new mapping.
     *
     * @param index 0 to 5
     * @throws io.gatun.linux.LinuxException where there is none, or it cannot be mapped
     */
    public abstract Bar bar(int index);

    /** The configuration space. */
    public abstract ConfigSpace config();

    /** What the device reaches; others may share it. */
    public abstract DmaSpace memory();

    /** How many MSI-X vectors can signal eventfds: 0 where interrupts do not reach a process. */
    public abstract int vectorCount();

    /**
     * Makes the first vectors ready to signal these eventfds, each switched off, in place of any before; none releases
     * them. The eventfds stay the caller's, who closes them after that.
     *
     * @throws io.gatun.linux.LinuxException with the remedy
     * @throws IllegalArgumentException for more than {@link #vectorCount}
     */
    public abstract void reserveVectors(List<EventFd> events);

    /** Lets a reserved vector signal its eventfd, before the close; returns 0 or {@code -errno}, allocates nothing. */
    public abstract int enableVector(int number);

    /** Keeps a reserved vector from signalling, before the close; returns 0 or {@code -errno}, allocates nothing. */
    public abstract int disableVector(int number);

    /** Whether the function may access memory, and raise interrupts; it may from its opening on. */
    public final void setBusMaster(boolean allowed) {
        config().changeCommand(
                allowed ? ConfigSpace.COMMAND_BUS_MASTER : 0, allowed ? 0 : ConfigSpace.COMMAND_BUS_MASTER);
    }

    /** Whether there is a reset of this function alone. */
    public abstract boolean canReset();

    /**
     * Resets the function, and lets it master the bus again.
     *
     * @throws io.gatun.linux.LinuxException with the remedy
     */
    public abstract void reset();

    /**
     * Signalled when the system wants the device back, as before it is unplugged: its owner is to close it soon. None
     * signals where the kernel does not tell.
     */
    public abstract EventFd wantedBack();

    /** Whether the function answers no more. */
    public final boolean isGone() {
        return config().isGone();
    }

    @Override
    public abstract void close();

    @Override
    public final String toString() {
        return function.address().toString();
    }
}
