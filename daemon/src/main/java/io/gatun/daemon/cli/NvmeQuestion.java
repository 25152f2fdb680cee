package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A command that takes a drive, asks it something, prints the answer and gives the drive back. */
abstract class NvmeQuestion implements Callable<Integer> {
    @Mixin
    private NvmeAddress drive;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    /** What to ask; throws {@link UsageException}, before the drive is touched, for what cannot be asked. */
    abstract Function<NvmeController, ObjectNode> question();

    @Override
    public final Integer call() {
        ObjectNode answer = drive.use(NvmeOptions.DEFAULTS, question());
        Facts.print(spec.commandLine().getOut(), answer, json);
        return Gatun.OK;
    }
}
