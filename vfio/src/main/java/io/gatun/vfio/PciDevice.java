package io.gatun.vfio;

import io.gatun.linux.EventFd;
import java.util.ArrayList;
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
    private List<EventFd> ownEvents = List.of();

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
     * Makes the first {@code count} vectors ready, each with an eventfd of its own and switched off, in place of any
     * before.
     *
     * @throws io.gatun.linux.LinuxException with the remedy
     * @throws IllegalArgumentException for more than {@link #vectorCount}
     */
    public final void reserveVectors(int count) {
        List<EventFd> created = new ArrayList<>();
        try {
            for (int i = 0; i < Math.min(count, vectorCount()); i++) {
                created.add(EventFd.create());
            }
            if (created.size() != count) {
                throw new IllegalArgumentException(this + " has " + vectorCount() + " vectors, not " + count);
            }
            reserveVectors(created);
        } catch (RuntimeException e) {
            created.forEach(EventFd::close);
            throw e;
        }
        ownEvents = created;
    }

    /**
     * Makes as many vectors ready as there are eventfds, which stay the caller's: as when a function that went away is
     * opened anew under a reactor that watches them.
     */
    public final void reserveVectors(List<EventFd> eventFds) {
        if (eventFds.size() > vectorCount()) {
            throw new IllegalArgumentException(this + " has " + vectorCount() + " vectors, not " + eventFds.size());
        }
        releaseVectors();
        attachVectors(eventFds);
    }

    /** Takes all vectors back. */
    final void releaseVectors() {
        detachVectors();
        ownEvents.forEach(EventFd::close);
        ownEvents = List.of();
    }

    /** Has vectors, of which there are as many, signal eventfds; none are attached. */
    abstract void attachVectors(List<EventFd> eventFds);

    /** Undoes it, if it was done. */
    abstract void detachVectors();

    /** The eventfd of a reserved vector. */
    public abstract EventFd vector(int number);

    /** Lets a reserved vector signal its eventfd; returns 0 or {@code -errno}, allocates nothing. */
    public abstract int enableVector(int number);

    /** Keeps a reserved vector from signalling; returns 0 or {@code -errno}, allocates nothing. */
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
