package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import picocli.CommandLine.Command;

/**
 * {@code gatun rehearse}: what the root script runs once after a build, so that the JVM can keep what it loaded and
 * learned (JEP 483, 514, 515). Starts what serve starts, is its client, and ends.
 */
@Command(name = "rehearse", hidden = true, description = "Goes through a start-up once, for the JVM's AOT cache.")
final class RehearseCommand implements Callable<Integer> {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @Override
    public Integer call() throws IOException {
        Path directory = Files.createTempDirectory("gatun-rehearsal");
        try {
            rehearse(directory);
            return Gatun.OK;
        } finally {
            Files.deleteIfExists(directory.resolve("disk.img"));
            Files.delete(directory);
        }
    }

    private static void rehearse(Path directory) throws IOException {
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        Path rpc = directory.resolve("rpc.sock");
        String[] arguments = {
            "serve", "--rpc", rpc.toString(), "--log-level", "warn",
            "--bdev", "malloc:m0,size=16M", "--vhost-blk", directory + "/m0.sock,bdev=m0",
            "--bdev", "file:f0,path=" + image, "--vhost-blk", directory + "/f0.sock,bdev=f0,queues=4",
            "--port", "vhost:p0,socket=" + directory + "/p0.sock", "--switch", "br0,ports=p0"
        };
        ServeCommand serve = ServeCommand.parse(arguments);
        Daemon daemon = serve.start();
        CompletableFuture<Integer> served = CompletableFuture.supplyAsync(daemon::run);
        try (JsonRpcClient client = JsonRpcClient.connect(rpc, PATIENCE)) {
            for (String method : new String[] {
                "rpc_get_methods",
                "bdev_get_bdevs", "bdev_get_iostat", "vhost_get_controllers", "framework_get_reactors",
                "port_get", "switch_get"
            }) {
                client.call(method, JsonNodeFactory.instance.objectNode());
            }
            RpcCommand.saveConfig(client);
        }
        daemon.stop();
        served.join();
        // What picocli needs; its own classes are too old a format to be kept, the rest is not.
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        Gatun.run(nowhere, nowhere, "--help");
        Gatun.run(nowhere, nowhere, "rpc", "--list");
    }
}
