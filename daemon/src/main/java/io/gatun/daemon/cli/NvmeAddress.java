package io.gatun.daemon.cli;

import io.gatun.daemon.target.NvmeAccess;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.vfio.PciAddress;
import java.util.function.Function;
import java.util.function.Supplier;
import picocli.CommandLine.Parameters;

/** The drive that a command is about. */
final class NvmeAddress {
    private final Supplier<NvmeAccess> machine;

    @Parameters(paramLabel = "ADDRESS", description = "The drive's PCI address, such as 0000:00:04.0.")
    private String address;

    /** A drive of this machine. */
    NvmeAddress() {
        this(NvmeAccess::ofMachine);
    }

    /** A drive of another machine, such as one that a test has. */
    NvmeAddress(Supplier<NvmeAccess> machine) {
        this.machine = machine;
    }

    /** Takes the drive, for as long as it is used: it is reset, and nobody else can have it. */
    <T> T use(NvmeOptions options, Function<NvmeController, T> what) {
        PciAddress parsed;
        try {
            parsed = PciAddress.parse(address);
        } catch (IllegalArgumentException e) {
            throw new UsageException("nvme: " + e.getMessage());
        }
        try (NvmeAccess access = machine.get();
                NvmeController controller = NvmeController.attach(access.open(parsed), options)) {
            return what.apply(controller);
        }
    }
}
