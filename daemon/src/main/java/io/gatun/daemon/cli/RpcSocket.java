package io.gatun.daemon.cli;

import io.gatun.daemon.rpc.JsonRpcClient;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Path;
import java.time.Duration;
import picocli.CommandLine.Option;

/** The option of every command that talks to a running daemon. */
final class RpcSocket {
    static final String DEFAULT = "/var/tmp/gatun.sock";

    @Option(
            names = {"-s", "--rpc"},
            paramLabel = "SOCKET",
            defaultValue = DEFAULT,
            description = "JSON-RPC socket of the running daemon (default: ${DEFAULT-VALUE}).")
    private Path path;

    Path path() {
        return path;
    }

    /** Connects; throws {@link LinuxException} that says how to get a daemon where there is none. */
    JsonRpcClient connect(Duration timeout) {
        try {
            return JsonRpcClient.connect(path, timeout);
        } catch (LinuxException e) {
            boolean nobody = e.errno() == Errno.ENOENT || e.errno() == Errno.ECONNREFUSED;
            throw new LinuxException(
                    "connect to " + path, e.errno(), nobody ? "is gatun serve running, with this --rpc?" : "");
        }
    }
}
