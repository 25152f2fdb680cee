package io.gatun.nvme;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;
import io.gatun.nvme.spec.Registers;
import io.gatun.vfio.Bar;
import io.gatun.vfio.DmaSpace;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import io.gatun.vfio.PciDevice;
import io.gatun.vfio.PciFunction;
import io.gatun.vfio.PhysicalSpace;
import io.gatun.vfio.UioDevice;
import io.gatun.vfio.VfioContainer;
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

    private final PciBus bus;
    private final PciAddress address;
    private final Access access;
    private final int registerBytes;
    private final List<EventFd> vectors = new ArrayList<>();

    /** Null while the function is given back. */
    private volatile PciDevice device;

    private volatile Bar bar;
    private volatile boolean wantedBack;

    /** How functions are opened, and what they reach. */
    private sealed interface Access extends AutoCloseable {
        PciDevice open(PciFunction function);

        DmaSpace memory();

        @Override
        void close();

        /** Behind an IOMMU of its own. */
        record Vfio(VfioContainer container) implements Access {
            @Override
            public PciDevice open(PciFunction function) {
                return container.open(function);
            }

            @Override
            public DmaSpace memory() {
                return container.memory();
            }

            @Override
            public void close() {
                container.close();
            }
        }

        /** By physical addresses. */
        record Uio(PhysicalSpace memory) implements Access {
            @Override
            public PciDevice open(PciFunction function) {
                return UioDevice.open(function, memory);
            }

            @Override
            public void close() {
                memory.close();
            }
        }
    }

    private PcieTransport(PciBus bus, PciFunction function, Access access) {
        this.bus = bus;
        this.access = access;
        address = function.address();
        device = access.open(function);
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
        PciFunction function = bus.function(address);
        if (function.classCode() != PciFunction.CLASS_NVME) {
            throw new NvmeException(String.format(
                    "%s is not an NVMe controller: its class is %06x, not %06x; see: gatun pci list",
                    function, function.classCode(), PciFunction.CLASS_NVME));
        }
        Access access = function.hasDriver("uio_pci_generic")
                ? new Access.Uio(new PhysicalSpace())
                : new Access.Vfio(VfioContainer.open());
        try {
            return new PcieTransport(bus, function, access);
        } catch (RuntimeException e) {
            access.close();
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
        PciDevice opened = device;
        if (offset == Registers.CSTS && opened != null && !wantedBack && opened.wantedBack().drain() > 0) {
            LOG.warn("{} is wanted back by the system", address);
            wantedBack = true;
        }
        return wantedBack ? Registers.ALL_ONES : bar.readInt(offset);
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
        return access.memory();
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
            PciDevice found = access.open(bus.function(address));
            device = found;
            found.reserveVectors(vectors);
            Bar before = bar;
            bar = found.bar(0);
            before.close();
            wantedBack = false;
            return !found.isGone();
        } catch (LinuxException e) {
            LOG.debug("{} is not back", address, e);
            giveBack();
            return false;
        }
    }

    /** The registers stay mapped: a doorbell may still be written, to nowhere. */
    private void giveBack() {
        wantedBack = true;
        PciDevice opened = device;
        if (opened != null) {
            device = null;
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
        PciDevice opened = device;
        return opened == null ? -Errno.ENODEV : opened.enableVector(vector);
    }

    @Override
    public int disableVector(int vector) {
        PciDevice opened = device;
        return opened == null ? -Errno.ENODEV : opened.disableVector(vector);
    }

    @Override
    public void close() {
        giveBack();
        bar.close();
        closeVectors();
        access.close();
    }
}
