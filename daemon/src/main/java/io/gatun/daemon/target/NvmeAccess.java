package io.gatun.daemon.target;

import io.gatun.nvme.NvmeTransport;
import io.gatun.nvme.PcieTransport;
import io.gatun.vfio.PciAccess;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;

/**
 * How this process reaches NVMe controllers.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public interface NvmeAccess extends AutoCloseable {
    /**
     * Opens the controller at an address; throws {@link io.gatun.linux.LinuxException} or {@link
     * io.gatun.nvme.NvmeException} with the reason and the remedy.
     */
    NvmeTransport open(PciAddress address);

    /** After the last transport was closed. */
    @Override
    void close();

    /**
     * The PCI functions of this machine that are with {@code vfio-pci} or {@code uio_pci_generic}. Memory of guests is
     * made reachable once for all drives behind one IOMMU.
     */
    static NvmeAccess ofMachine() {
        return new NvmeAccess() {
            // Made for the first drive: a start without one need not even load its classes.
            private PciAccess access;

            @Override
            public NvmeTransport open(PciAddress address) {
                return PcieTransport.open(access(), address);
            }

            private synchronized PciAccess access() {
                if (access == null) {
                    access = new PciAccess(PciBus.system());
                }
                return access;
            }

            @Override
            public synchronized void close() {
                if (access != null) {
                    access.close();
                }
            }
        };
    }
}
