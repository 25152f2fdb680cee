package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.rpc.Json;
import io.gatun.vfio.PciBus;
import io.gatun.vfio.PciFunction;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun nvme list}. Touches no drive. */
@Command(
        name = "list",
        mixinStandardHelpOptions = true,
        description = "Lists the NVMe controllers of this machine, and which driver has them.")
final class NvmeListCommand implements Callable<Integer> {
    private static final String FORM = "%-14s  %-9s  %-18s  %-4s  %s";

    @Option(names = "--root", hidden = true, defaultValue = "/", description = "Where /sys, /proc and /dev are.")
    private Path root;

    @Option(names = "--json", description = "Print the list as JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        print(spec.commandLine().getOut(), new PciBus(root).functions(), json);
        return Gatun.OK;
    }

    private static void print(PrintWriter out, List<PciFunction> functions, boolean json) {
        List<PciFunction> controllers =
                functions.stream().filter(f -> f.classCode() == PciFunction.CLASS_NVME).toList();
        if (json) {
            ArrayNode list = JsonNodeFactory.instance.arrayNode();
            for (PciFunction controller : controllers) {
                list.addObject()
                        .put("traddr", controller.address().toString())
                        .put("vendor_id", controller.vendorId())
                        .put("device_id", controller.deviceId())
                        .put("driver", controller.driver().orElse(null))
                        .put("numa_node", controller.numaNode())
                        .put("iommu_group", controller.iommuGroup());
            }
            out.println(Json.pretty(list));
        } else if (controllers.isEmpty()) {
            out.println("This machine has no NVMe controller on a PCI bus.");
        } else {
            out.println(String.format(FORM, "ADDRESS", "ID", "DRIVER", "NUMA", "IOMMU GROUP"));
            for (PciFunction controller : controllers) {
                out.println(String.format(
                        FORM,
                        controller.address(),
                        String.format("%04x:%04x", controller.vendorId(), controller.deviceId()),
                        controller.driver().orElse("none"),
                        controller.numaNode() < 0 ? "-" : controller.numaNode(),
                        controller.iommuGroup() < 0 ? "none" : controller.iommuGroup()));
            }
        }
        out.flush();
    }
}
