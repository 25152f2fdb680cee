package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.target.NvmeFacts;
import io.gatun.nvme.NvmeController;
import java.util.function.Function;
import picocli.CommandLine.Command;

/** {@code gatun nvme smart}. */
@Command(
        name = "smart",
        mixinStandardHelpOptions = true,
        description = "Tells how a drive is: warnings, temperature, wear, errors.")
final class NvmeSmartCommand extends NvmeQuestion {
    @Override
    Function<NvmeController, ObjectNode> question() {
        return NvmeFacts::health;
    }
}
