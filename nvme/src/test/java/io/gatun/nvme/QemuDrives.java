package io.gatun.nvme;

import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.QtestMachine;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import java.util.List;

/**
 * The drives that the driver is tried on, QEMU's models: in a machine of their own for each test, whose processor is
 * this process; or inside a guest, as PCI functions with a user-space driver, where the property {@value #ADDRESSES}
 * names them.
 *
 * <p>Tests do not know what is on a drive when they begin.
 */
final class QemuDrives implements AutoCloseable {
    /** Two namespaces, of 512 and of 4096-byte blocks; 1 MiB in one command. */
    static final int LARGE = 0;
    /** 32 KiB in one command, and two I/O queue pairs. */
    static final int SMALL = 1;

    static final List<NvmeModel> MODELS = List.of(
            NvmeModel.of("large")
                    .withProperty("mdts=8")
                    .with(NvmeDisk.ofMegabytes(64))
                    .with(NvmeDisk.ofMegabytes(64).withBlockBytes(4096)),
            NvmeModel.of("small")
                    .withProperty("mdts=3")
                    .withProperty("max_ioqpairs=2")
                    .with(NvmeDisk.ofMegabytes(64)));

    /** PCI addresses of the drives, in the order of {@link #MODELS}, with commas between them. */
    static final String ADDRESSES = "gatun.nvme.addresses";

    /** Null inside a guest. */
    private final QtestMachine machine;

    private QemuDrives(QtestMachine machine) {
        this.machine = machine;
    }

    static QemuDrives start() {
        if (inGuest()) {
            return new QemuDrives(null);
        }
        QtestMachine.Builder builder = QtestMachine.builder();
        MODELS.forEach(builder::controller);
        return new QemuDrives(builder.start());
    }

    /** Reaches a drive. */
    NvmeTransport open(int drive) {
        if (machine != null) {
            return new QtestTransport(machine, drive);
        }
        String address = System.getProperty(ADDRESSES).split(",", -1)[drive];
        return PcieTransport.open(PciBus.system(), PciAddress.parse(address));
    }

    static boolean inGuest() {
        return System.getProperty(ADDRESSES) != null;
    }

    /** Reaches a drive and takes it. */
    NvmeController attach(int drive) {
        return attach(drive, NvmeOptions.DEFAULTS);
    }

    NvmeController attach(int drive, NvmeOptions options) {
        return NvmeController.attach(open(drive), options);
    }

    @Override
    public void close() {
        if (machine != null) {
            machine.close();
        }
    }
}
