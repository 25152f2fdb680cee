package io.gatun.daemon.cli;

import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.Console;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun top}: a live table of a running daemon. */
@Command(
        name = "top",
        mixinStandardHelpOptions = true,
        description = "Shows what the running daemon does: its disks, ports, queues and reactors, every second.",
        footer = {"", "Examples:", "  gatun top", "  gatun top --interval 0.5 --count 10 > log"})
final class TopCommand implements Callable<Integer> {
    private static final String CLEAR = "\033[H\033[J";

    @Mixin
    private RpcSocket socket;

    @Option(names = "--interval", paramLabel = "SECONDS", defaultValue = "1", description = "Between two tables (1).")
    private double interval;

    @Option(names = "--count", paramLabel = "N", defaultValue = "0", description = "How many tables (0: until Ctrl-C).")
    private int count;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        if (!(interval >= 0.1 && interval <= 3600)) {
            throw new UsageException("--interval " + interval + ": expected 0.1 to 3600 seconds");
        }
        if (count < 0) {
            throw new UsageException("--count " + count + ": expected a number of tables, or 0");
        }
        boolean terminal = isTerminal();
        PrintWriter out = spec.commandLine().getOut();
        try (JsonRpcClient client = socket.connect(Duration.ofSeconds(10))) {
            Rates rates = new Rates();
            rates.table(client);
            for (int shown = 0; count == 0 || shown < count; shown++) {
                if (Interrupt.sleep((long) (interval * 1000))) {
                    break;
                }
                show(out, rates, client, terminal);
            }
        }
        return Gatun.OK;
    }

    @SuppressWarnings("SystemConsoleNull") // Which provider answers, and whether with null, has changed twice.
    static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    /** Prints a table, over the last one where {@code out} is a terminal. */
    static void show(PrintWriter out, Rates rates, JsonRpcClient client, boolean terminal) {
        if (terminal) {
            out.print(CLEAR);
        }
        rates.table(client).forEach(out::println);
        if (!terminal) {
            out.println();
        }
        out.flush();
    }
}
