package io.gatun.daemon.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code gatun nvme}: looks at NVMe drives that no kernel driver has, and measures them. */
@Command(
        name = "nvme",
        mixinStandardHelpOptions = true,
        subcommands = {
            NvmeListCommand.class,
            NvmeIdentifyCommand.class,
            NvmeSmartCommand.class,
            NvmeLogCommand.class,
            NvmeBenchCommand.class
        },
        description = "Looks at NVMe drives, and measures them, without the kernel's driver.",
        footer = {
            "",
            "A drive has to be with vfio-pci or uio_pci_generic, and no other program may be using it:",
            "  gatun pci bind 0000:00:04.0          takes it from the kernel; its disks in /dev are gone until unbind",
            "  gatun nvme identify 0000:00:04.0",
            "  gatun nvme bench 0000:00:04.0 --rw randread --bs 4k --qd 32 --time 5",
            "  gatun serve --bdev nvme:nv0,traddr=0000:00:04.0 --vhost-blk /tmp/nv0.sock,bdev=nv0n1",
            "A drive that serve has is shown by gatun rpc bdev_nvme_get_controllers instead."
        })
final class NvmeCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "nvme what? One of: " + String.join(", ", spec.subcommands().keySet()));
    }
}
