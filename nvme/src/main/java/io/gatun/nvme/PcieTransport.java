package io.gatun.nvme;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;
import io.gatun.nvme.spec.Registers;
import io.gatun.vfio.Bar;
import io.gatun.vfio.DmaSpace;
import io.gatun.vfio.PciAccess;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import io.gatun.vfio.PciDevice;
import io.gatun.vfio.PciFunction;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A controller that is a PCI function, through whichever user-space driver it is bound to (PCIe §2).
 *
 * <p>A function that the system wants back, as before it is unplugged, is treated as gone and given back; it is opened
 * anew when it is there again.
 *
 * <p><b>Thread-safety:</b> as {@link NvmeTransport} says.
 */
public final class PcieTransport implements NvmeTransport {
    private static final Logger LOG = LoggerFactory.getLogger(PcieTransport.class);

    /** One for the admin queue and one for each of 32 I/O queues. */
    private static final int MOST_VECTORS = 33;

    private final PciAccess access;
    private final boolean ownsAccess;
    private final PciAddress address;
    private final DmaSpace memory;
    private final int registerBytes;
    private final List<EventFd> vectors = new ArrayList<>();

    /** Registers of functions that were given back: another thread may still ring a doorbell there. */
    private final List<Bar> detached = new ArrayList<>();

    /** Held where other threads than the watch's use the function's files, so that none does once they are closed. */
    private final Object filesLock = new Object();

    /** Null while the function is given back. */
    private volatile PciDevice device;

    private volatile Bar bar;
    private volatile boolean wantedBack;

    private PcieTransport(PciAccess access, boolean ownsAccess, PciDevice device) {
        this.access = access;
        this.ownsAccess = ownsAccess;
        this.device = device;
        address = device.function().address();
        memory = device.memory();
        bar = device.bar(0);
        registerBytes = (int) Math.min(bar.lengthBytes(), Integer.MAX_VALUE);
        reserveVectors();
    }

    /**
     * Opens an NVMe controller that is with {@code vfio-pci} or {@code uio_pci_generic}, behind an IOMMU context, or
     * with a memory, of its own.
     *
     * @throws LinuxException with the remedy, such as to bind it first
     * @throws NvmeException if the function is not an NVMe controller
     */
    public static PcieTransport open(PciBus bus, PciAddress address) {
        PciAccess own = new PciAccess(bus);
        try {
            return open(own, address, true);
        } catch (RuntimeException e) {
            own.close();
            throw e;
        }
    }

    /**
     * As {@link #open(PciBus, PciAddress)}, sharing with others what the controller reaches, so that memory of guests
     * is mapped, and counted as locked, once for all.
     *
     * @param access stays the caller's, who closes it after its last transport
     */
    public static PcieTransport open(PciAccess access, PciAddress address) {
        return open(access, address, false);
    }

    private static PcieTransport open(PciAccess access, PciAddress address, boolean ownsAccess) {
        PciFunction function = access.bus().function(address);
        if (function.classCode() != PciFunction.CLASS_NVME) {
            throw new NvmeException(String.format(
                    "%s is not an NVMe controller: its class is %06x, not %06x; see: gatun pci list",
                    function, function.classCode(), PciFunction.CLASS_NVME));
        }
        PciDevice device = access.open(address);
        try {
            return new PcieTransport(access, ownsAccess, device);
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    private void reserveVectors() {
        try {
            for (int i = 0; i < Math.min(device.vectorCount(), MOST_VECTORS); i++) {
                vectors.add(EventFd.create());
            }
            device.reserveVectors(vectors);
        } catch (LinuxException e) {
            LOG.warn("{}: completions are polled for, without interrupts: {}", address, e.getMessage());
            closeVectors();
        }
    }

    private void closeVectors() {
        vectors.forEach(EventFd::close);
        vectors.clear();
    }

    @Override
    public String name() {
        return address.toString();
    }

    @Override
    public int registerBytes() {
        return registerBytes;
    }

    @Override
    public int readInt(int offset) {
        if (offset == Registers.CSTS && !wantedBack && isAskedFor()) {
            LOG.warn("{} is wanted back by the system", address);
            wantedBack = true;
        }
        return wantedBack ? Registers.ALL_ONES : bar.readInt(offset);
    }

    private boolean isAskedFor() {
        synchronized (filesLock) {
            PciDevice opened = device;
            return opened != null && EventFd.drain(opened.wantedBack().value()) > 0;
        }
    }

    @Override
    public long readLong(int offset) {
        return wantedBack ? Registers.ALL_ONES : bar.readLong(offset);
    }

    @Override
    public void writeInt(int offset, int value) {
        bar.writeInt(offset, value);
    }

    @Override
    public void writeLong(int offset, long value) {
        bar.writeLong(offset, value);
    }

    @Override
    public DmaSpace memory() {
        return memory;
    }

    @Override
    public void setBusMaster(boolean enabled) {
        PciDevice opened = device;
        if (opened != null && !opened.isGone()) {
            opened.setBusMaster(enabled);
        }
    }

    @Override
    public boolean resetFunction() {
        PciDevice opened = device;
        if (opened == null || !opened.canReset()) {
            return false;
        }
        try {
            opened.reset();
            return true;
        } catch (LinuxException e) {
            LOG.warn("{}", e.getMessage());
            return false;
        }
    }

    @Override
    public boolean probe() {
        PciDevice opened = device;
        if (opened != null && !wantedBack && !opened.isGone()) {
            return true;
        }
        giveBack();
        try {
            PciDevice found = access.open(address);
            if (!takeAgain(found)) {
                found.close();
                return false;
            }
            return true;
        } catch (LinuxException e) {
            LOG.debug("{} is not back", address, e);
            return false;
        }
    }

    /** Other threads see the function when everything is ready, or not at all. */
    private boolean takeAgain(PciDevice found) {
        if (found.isGone()) {
            return false;
        }
        if (!found.memory().equals(memory)) {
            LOG.warn("{} came back behind another IOMMU, or none: attach it anew", address);
            return false;
        }
        try {
            found.reserveVectors(vectors);
            bar = found.bar(0);
        } catch (LinuxException e) {
            LOG.debug("{} cannot be used again yet", address, e);
            return false;
        }
        synchronized (filesLock) {
            device = found;
        }
        wantedBack = false;
        return true;
    }

    /** Lets go of all of it, so that the system can take it away. */
    private void giveBack() {
        wantedBack = true;
        PciDevice opened = device;
        if (opened != null) {
            synchronized (filesLock) {
                device = null;
            }
            Bar before = bar;
            if (!detached.contains(before)) {
                before.detach();
                detached.add(before);
            }
            opened.close();
        }
    }

    @Override
    public int vectorCount() {
        return vectors.size();
    }

    @Override
    public int vectorFd(int vector) {
        return vectors.get(vector).value();
    }

    @Override
    public int enableVector(int vector) {
        synchronized (filesLock) {
            PciDevice opened = device;
            return opened == null ? -Errno.ENODEV : opened.enableVector(vector);
        }
    }

    @Override
    public int disableVector(int vector) {
        synchronized (filesLock) {
            PciDevice opened = device;
            return opened == null ? -Errno.ENODEV : opened.disableVector(vector);
        }
    }

    @Override
    public void close() {
        giveBack();
        detached.forEach(Bar::close);
        closeVectors();
        if (ownsAccess) {
            access.close();
        }
    }
}
