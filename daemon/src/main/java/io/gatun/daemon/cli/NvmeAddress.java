package io.gatun.daemon.cli;

import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.PcieTransport;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import picocli.CommandLine.Parameters;

/** The drive that a command is about. */
final class NvmeAddress {
    @Parameters(paramLabel = "ADDRESS", description = "The drive's PCI address, such as 0000:00:04.0.")
    private String address;

    /** Takes the drive: it is reset, and nobody else can use it until it is closed. */
    NvmeController attach(NvmeOptions options) {
        PciAddress parsed;
        try {
            parsed = PciAddress.parse(address);
        } catch (IllegalArgumentException e) {
            throw new UsageException("nvme: " + e.getMessage());
        }
        return NvmeController.attach(PcieTransport.open(PciBus.system(), parsed), options);
    }
}
