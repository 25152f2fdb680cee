package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.target.NvmeFacts;
import io.gatun.nvme.NvmeController;
import java.util.HexFormat;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code gatun nvme log}. */
@Command(
        name = "log",
        mixinStandardHelpOptions = true,
        description = "Reads a log page of a drive.",
        footer = {
            "",
            "Examples:",
            "  gatun nvme log 0000:00:04.0 error",
            "  gatun nvme log 0000:00:04.0 0x02 --bytes 512      any page, as it is"
        })
final class NvmeLogCommand extends NvmeQuestion {
    private static final String EXPECTED = "expected error, firmware, smart, or a page's number such as 0x02";
    private static final int ALL_NAMESPACES = -1;
    private static final int MAX_BYTES = 1 << 20;
    private static final int ROW = 32;

    @Parameters(index = "1", paramLabel = "PAGE",
            description = "error, firmware, smart, or a number from 0x00 to 0xff.")
    private String page;

    @Option(names = "--bytes", paramLabel = "N", defaultValue = "512",
            description = "How much to read of a page that is given by number, a multiple of 4 (512).")
    private int bytes;

    @Override
    Function<NvmeController, ObjectNode> question() {
        return switch (page) {
            case "error" -> NvmeFacts::errors;
            case "firmware" -> NvmeFacts::firmware;
            case "smart" -> NvmeFacts::health;
            default -> {
                int number = number();
                yield controller -> dump(controller.log(number, ALL_NAMESPACES, bytes));
            }
        };
    }

    private int number() {
        if (bytes < 4 || bytes > MAX_BYTES || bytes % 4 != 0) {
            throw new UsageException("--bytes " + bytes + ": expected a multiple of 4 up to " + MAX_BYTES);
        }
        try {
            int number = Integer.decode(page);
            if (number >= 0 && number <= 0xff) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below, as every other page that there is not.
        }
        throw new UsageException("nvme log " + page + ": " + EXPECTED);
    }

    private static ObjectNode dump(byte[] page) {
        ObjectNode rows = JsonNodeFactory.instance.objectNode();
        for (int at = 0; at < page.length; at += ROW) {
            int until = Math.min(page.length, at + ROW);
            rows.put(String.format("%04x", at), HexFormat.of().formatHex(page, at, until));
        }
        return rows;
    }
}
