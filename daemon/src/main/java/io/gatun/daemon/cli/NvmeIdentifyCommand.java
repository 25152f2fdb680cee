package io.gatun.daemon.cli;

import io.gatun.daemon.target.NvmeFacts;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun nvme identify}. */
@Command(
        name = "identify",
        mixinStandardHelpOptions = true,
        description = "Describes a drive and its namespaces. The controller is reset; data stay as they are.")
final class NvmeIdentifyCommand implements Callable<Integer> {
    @Mixin
    private NvmeAddress drive;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        try (NvmeController controller = drive.attach(NvmeOptions.DEFAULTS)) {
            Facts.print(spec.commandLine().getOut(), NvmeFacts.identity(controller), json);
        }
        return Gatun.OK;
    }
}
