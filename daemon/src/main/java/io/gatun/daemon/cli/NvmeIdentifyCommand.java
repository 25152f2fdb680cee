package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.target.NvmeFacts;
import io.gatun.nvme.NvmeController;
import java.util.function.Function;
import picocli.CommandLine.Command;

/** {@code gatun nvme identify}. */
@Command(
        name = "identify",
        mixinStandardHelpOptions = true,
        description = "Describes a drive and its namespaces. The controller is reset; data stay as they are.")
final class NvmeIdentifyCommand extends NvmeQuestion {
    @Override
    Function<NvmeController, ObjectNode> question() {
        return NvmeFacts::identity;
    }
}
