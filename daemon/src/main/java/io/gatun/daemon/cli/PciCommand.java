package io.gatun.daemon.cli;

import io.gatun.vfio.BindPlan;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import io.gatun.vfio.PciFunction;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun pci}: which PCI functions there are, and which of them are for user space. */
@Command(
        name = "pci",
        mixinStandardHelpOptions = true,
        subcommands = {PciCommand.Listing.class, PciCommand.Bind.class, PciCommand.Unbind.class},
        description = "Shows PCI functions, and hands them to user space or back to the kernel.")
final class PciCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "pci what? One of: list, bind, unbind");
    }

    /** What the three have in common. */
    abstract static class OfBus implements Callable<Integer> {
        @Option(names = "--root", hidden = true, defaultValue = "/", description = "Where /sys, /proc and /dev are.")
        private Path root;

        @Spec
        private CommandSpec spec;

        PciBus bus() {
            return new PciBus(root);
        }

        PrintWriter out() {
            return spec.commandLine().getOut();
        }

        PrintWriter err() {
            return spec.commandLine().getErr();
        }

        /** The function that an argument names. */
        static PciAddress address(String text) {
            try {
                return PciAddress.parse(text);
            } catch (IllegalArgumentException e) {
                throw new UsageException(e.getMessage());
            }
        }

        /** Shows what will be written, then writes it. */
        void carryOut(BindPlan plan, boolean dryRun) {
            plan.warnings().forEach(warning -> err().println("gatun: warning: " + warning));
            plan.steps().forEach(step -> out().println(step));
            out().flush();
            if (!dryRun) {
                PciFunction after = plan.execute();
                out().println(after + " is with " + after.driver().orElse("no driver"));
            }
        }
    }

    /** {@code gatun pci list}. */
    @Command(
            name = "list",
            mixinStandardHelpOptions = true,
            description = "Lists NVMe controllers, or all PCI functions: who has them, and behind which IOMMU.",
            footer = {"", "Examples:", "  gatun pci list", "  gatun pci list --all"})
    static final class Listing extends OfBus {
        private static final String ROW = "%-14s %-9s %-6s %4s %5s %s%n";

        @Option(names = "--all", description = "Not only NVMe controllers.")
        private boolean all;

        @Override
        public Integer call() {
            List<PciFunction> functions = bus().functions();
            List<PciFunction> shown = functions.stream()
                    .filter(f -> all || f.classCode() == PciFunction.CLASS_NVME)
                    .toList();
            if (shown.isEmpty()) {
                err().println("gatun: no NVMe controller among " + functions.size() + " PCI functions (--all)");
                return Gatun.OK;
            }
            out().printf(ROW, "ADDRESS", "ID", "CLASS", "NUMA", "IOMMU", "DRIVER");
            for (PciFunction f : shown) {
                out().printf(
                        ROW,
                        f.address(),
                        String.format("%04x:%04x", f.vendorId(), f.deviceId()),
                        String.format("%06x", f.classCode()),
                        f.numaNode() < 0 ? "-" : f.numaNode(),
                        f.iommuGroup() < 0 ? "-" : f.iommuGroup(),
                        f.driver().orElse("-"));
            }
            return Gatun.OK;
        }
    }

    /** {@code gatun pci bind}. */
    @Command(
            name = "bind",
            mixinStandardHelpOptions = true,
            description = {
                "Takes a PCI function from the kernel, for Gatun to drive. Each write to sysfs is shown.",
                "A disk that is mounted, swapped to or used in any other way stays with the kernel.",
                "The kernel's driver has it again after a reboot."
            },
            footer = {
                "",
                "Examples:",
                "  gatun pci bind 0000:00:04.0 --dry-run",
                "  gatun pci bind 0000:00:04.0",
                "  gatun pci bind 0000:00:04.0 --driver uio_pci_generic      without an IOMMU: nothing protects memory"
            })
    static final class Bind extends OfBus {
        @Parameters(paramLabel = "ADDRESS", description = "As gatun pci list shows it.")
        private String address;

        @Option(
                names = "--driver",
                paramLabel = "DRIVER",
                defaultValue = "vfio-pci",
                description = "vfio-pci or uio_pci_generic (vfio-pci).")
        private String driver;

        @Option(names = "--dry-run", description = "Only show what would be written.")
        private boolean dryRun;

        @Override
        public Integer call() {
            BindPlan plan;
            try {
                plan = BindPlan.bind(bus(), address(address), driver);
            } catch (IllegalArgumentException e) {
                throw new UsageException("--driver " + e.getMessage());
            }
            carryOut(plan, dryRun);
            return Gatun.OK;
        }
    }

    /** {@code gatun pci unbind}. */
    @Command(
            name = "unbind",
            mixinStandardHelpOptions = true,
            description = "Gives a PCI function back to the kernel's own driver. Each write to sysfs is shown.",
            footer = {"", "Examples:", "  gatun pci unbind 0000:00:04.0"})
    static final class Unbind extends OfBus {
        @Parameters(paramLabel = "ADDRESS", description = "As gatun pci list shows it.")
        private String address;

        @Option(names = "--dry-run", description = "Only show what would be written.")
        private boolean dryRun;

        @Override
        public Integer call() {
            carryOut(BindPlan.unbind(bus(), address(address)), dryRun);
            return Gatun.OK;
        }
    }
}
