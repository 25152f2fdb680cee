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

/** {@code gatun nvme smart}. */
@Command(
        name = "smart",
        mixinStandardHelpOptions = true,
        description = "Tells how a drive is: warnings, temperature, wear, errors.")
final class NvmeSmartCommand implements Callable<Integer> {
    @Mixin
    private NvmeAddress drive;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        try (NvmeController controller = drive.attach(NvmeOptions.DEFAULTS)) {
            Facts.print(spec.commandLine().getOut(), NvmeFacts.health(controller), json);
        }
        return Gatun.OK;
    }
}
