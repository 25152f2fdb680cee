package io.gatun.daemon.cli;

import io.gatun.daemon.Version;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.LinuxException;
import io.gatun.nvme.NvmeException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IFactory;
import picocli.CommandLine.ParameterException;

/**
 * The command line. Exit codes: 0 success; 1 it was tried and failed; 2 it was asked for wrongly. Either way the reason
 * is one line on standard error.
 */
@Command(
        name = "gatun",
        subcommands = {
            ServeCommand.class,
            RpcCommand.class,
            TopCommand.class,
            BenchCommand.class,
            PciCommand.class,
            NvmeCommand.class,
            DemoCommand.class,
            RehearseCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = Gatun.VersionText.class,
        synopsisSubcommandLabel = "COMMAND",
        description = "A userspace virtio dataplane: disks and networks for virtual machines over vhost-user sockets.",
        footer = {
            "",
            "Examples:",
            "  A RAM disk of 256 MiB for a virtual machine:",
            "    gatun serve --bdev malloc:m0,size=256M --vhost-blk /tmp/m0.sock,bdev=m0",
            "  Two virtual machines on one Ethernet:",
            "    gatun serve --port vhost:p0,socket=/tmp/p0.sock --port vhost:p1,socket=/tmp/p1.sock \\",
            "        --switch br0,ports=p0+p1",
            "  What is it doing?",
            "    gatun top",
            "    gatun rpc bdev_get_bdevs",
            "  How fast is it, without a virtual machine?",
            "    gatun bench blk --socket /tmp/m0.sock --rw randread --bs 4k --qd 32",
            "  See it all at once:",
            "    gatun demo",
            "",
            "gatun COMMAND --help explains a command, with examples.",
            "",
            "In a source tree, the script ./gatun has two more:",
            "  ./gatun test [--peers-required]     all tests that this machine can run",
            "  ./gatun compare-blk [--help]        Gatun beside qemu-storage-daemon, measured"
        })
public final class Gatun implements Runnable {
    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;

    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    /** Runs one command line and returns its exit code. */
    public static int run(PrintStream out, PrintStream err, String... arguments) {
        return run(CommandLine.defaultFactory(), out, err, arguments);
    }

    /** As {@link #run(PrintStream, PrintStream, String...)}, of commands and options that {@code parts} makes. */
    static int run(IFactory parts, PrintStream out, PrintStream err, String... arguments) {
        PrintWriter errors = new PrintWriter(err, true, StandardCharsets.UTF_8);
        if (arguments.length > 0 && arguments[0].equals("serve")) {
            ServeCommand serve = ServeCommand.parse(arguments);
            if (serve != null) {
                return serve(serve, errors);
            }
        }
        return new CommandLine(new Gatun(), parts)
                .setOut(new PrintWriter(out, true, StandardCharsets.UTF_8))
                .setErr(errors)
                .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
                .setParameterExceptionHandler((e, _) -> refuse(errors, e))
                .setExecutionExceptionHandler((e, _, _) -> fail(errors, e))
                .execute(arguments);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), spec.subcommands().entrySet().stream()
                .filter(command -> !command.getValue().getCommandSpec().usageMessage().hidden())
                .map(Map.Entry::getKey)
                .collect(Collectors.joining(", ", "which command? One of: ", "")));
    }

    private static int serve(ServeCommand serve, PrintWriter errors) {
        try {
            return serve.call();
        } catch (UsageException | RpcException | LinuxException e) {
            return report(errors, e);
        }
    }

    private static int refuse(PrintWriter errors, ParameterException e) {
        String command = e.getCommandLine().getCommandSpec().qualifiedName();
        String line = e.getMessage().lines().findFirst().orElse("");
        errors.println("gatun: " + line + " (" + command + " --help explains)");
        return USAGE;
    }

    private static int fail(PrintWriter errors, Exception e) throws Exception {
        boolean told = e instanceof UsageException
                || e instanceof RpcException
                || e instanceof LinuxException
                || e instanceof NvmeException;
        if (!told) {
            throw e;
        }
        return report(errors, e);
    }

    private static int report(PrintWriter errors, Exception e) {
        errors.println("gatun: " + e.getMessage());
        return e instanceof UsageException ? USAGE : FAILED;
    }

    /** What {@code --version} says. */
    static final class VersionText implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"gatun " + Version.TEXT};
        }
    }
}
