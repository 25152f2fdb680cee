package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.Main;
import io.gatun.daemon.bench.BlkBench;
import io.gatun.daemon.bench.BlkBenchOptions;
import io.gatun.daemon.bench.BlkBenchResult;
import io.gatun.daemon.rpc.Json;
import io.gatun.daemon.rpc.JsonRpcClient;
import io.gatun.linux.LinuxException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun serve} as a process: start, signals, restarts; and in this process: configuration, metrics, limits. */
class ServeTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    private Path directory;

    private final List<Process> children = new ArrayList<>();

    @AfterEach
    void endChildren() {
        children.forEach(Process::destroyForcibly);
    }

    private Process child(String... options) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "serve",
                "--rpc",
                directory.resolve("rpc.sock").toString()));
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log()))
                .start();
        children.add(process);
        return process;
    }

    private File log() {
        return directory.resolve("log").toFile();
    }

    private JsonRpcClient connect() throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                JsonRpcClient client = JsonRpcClient.connect(directory.resolve("rpc.sock"), PATIENCE);
                client.call("framework_wait_init", null);
                return client;
            } catch (LinuxException e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                Thread.sleep(20);
            }
        }
    }

    private static int exitCode(Process process) throws InterruptedException {
        assertTrue(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS), "still running");
        return process.exitValue();
    }

    @Test
    void stopsCleanlyOnSigterm() throws Exception {
        Path disk = directory.resolve("m0.sock");
        Path port = directory.resolve("p0.sock");
        Process daemon = child(
                "--bdev", "malloc:m0,size=1M", "--vhost-blk", disk + ",bdev=m0",
                "--port", "vhost:p0,socket=" + port, "--port", "null:n0,size=60", "--switch", "br0,ports=p0+n0",
                "--port", "virtio-user:u0,socket=" + port, "--loop", "txonly:u0");
        try (JsonRpcClient client = connect()) {
            assertEquals(1, client.call("vhost_get_controllers", null).size());
            assertTrue(Files.exists(disk));
            daemon.destroy();
            assertEquals(0, exitCode(daemon), () -> "the log is " + read());
        }
        assertFalse(Files.exists(disk));
        assertFalse(Files.exists(port));
        assertFalse(Files.exists(directory.resolve("rpc.sock")));
    }

    @Test
    void aSecondInstanceIsRefusedAndAStaleSocketReplaced() throws Exception {
        String[] options = {"--bdev", "malloc:m0,size=1M", "--vhost-blk", directory.resolve("m0.sock") + ",bdev=m0"};
        Process first = child(options);
        connect().close();
        assertEquals(Gatun.FAILED, exitCode(child(options)));
        assertTrue(read().contains("another process listens there"), this::read);
        connect().close();
        first.destroyForcibly();
        exitCode(first);
        assertTrue(Files.exists(directory.resolve("m0.sock")), "kill -9 leaves the sockets behind");
        Process third = child(options);
        connect().close();
        third.destroy();
        assertEquals(0, exitCode(third), this::read);
    }

    private String read() {
        try {
            return Files.readString(log().toPath());
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** A daemon in this process. */
    private final class Running implements AutoCloseable {
        private final Daemon daemon;
        private final Thread thread;

        Running(String... options) {
            List<String> arguments = new ArrayList<>(List.of("serve", "--rpc", rpc(), "--log-level", "warn"));
            arguments.addAll(List.of(options));
            daemon = ServeCommand.parse(arguments.toArray(String[]::new)).start();
            thread = Thread.ofPlatform().start(daemon::serve);
        }

        @Override
        public void close() {
            daemon.stop();
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private String rpc() {
        return directory.resolve("rpc.sock").toString();
    }

    private String rpc(String... arguments) {
        return rpc(Gatun.OK, arguments);
    }

    /** What it prints, or says on standard error where {@code expected} is not OK. */
    private String rpc(int expected, String... arguments) {
        List<String> all = new ArrayList<>(List.of("rpc", "-s", rpc()));
        all.addAll(List.of(arguments));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Gatun.run(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                all.toArray(String[]::new));
        assertEquals(expected, code, () -> err.toString(StandardCharsets.UTF_8));
        return (code == Gatun.OK ? out : err).toString(StandardCharsets.UTF_8);
    }

    @Test
    void aSavedConfigurationStartsTheSameDaemon() throws Exception {
        Path image = Files.write(directory.resolve("disk, with comma.img"), new byte[1 << 20]);
        String saved;
        try (Running _ = new Running(
                "--vhost-dir", directory.toString(),
                "--bdev", "malloc:m0,size=1M", "--vhost-blk", "m0.sock,bdev=m0,packed=off",
                "--bdev", "file:f0,path=" + image.toString().replace(",", ",,"),
                "--vhost-blk", directory + "/f0.sock,bdev=f0,queues=3,readonly=on",
                "--bdev", "null:n0,size=1G,block-size=4096",
                "--port", "null:n0,queues=2", "--port", "null:n1", "--port", "null:n2",
                "--port", "vhost:p0,socket=p0.sock,packed=off,in-order=off", "--port", "null:n3",
                "--switch", "br0,ports=p0+n3,trunk=p0:10/20-29,access=n3:10",
                "--loop", "io:n0+n1", "--loop", "txonly:n2,size=1024")) {
            rpc("bdev_set_qos_limit", "name=n0", "rw_mbytes_per_sec=3");
            saved = rpc("save_config");
        }
        Path config = Files.writeString(directory.resolve("config.json"), saved);
        try (Running _ = new Running("--vhost-dir", directory.toString(), "--config", config.toString())) {
            assertEquals(Json.MAPPER.readTree(saved), Json.MAPPER.readTree(rpc("save_config")));
        }
    }

    @Test
    void aConfigurationIsLoadedByTheClientWhichNamesTheCallThatFails() throws Exception {
        String saved;
        try (Running _ = new Running("--bdev", "malloc:m0,size=1M", "--port", "null:n0")) {
            saved = rpc("save_config");
        }
        InputStream before = System.in;
        try (Running _ = new Running()) {
            System.setIn(new ByteArrayInputStream(saved.getBytes(StandardCharsets.UTF_8)));
            rpc("load_config");
            assertEquals(Json.MAPPER.readTree(saved), Json.MAPPER.readTree(rpc("save_config")));
            System.setIn(new ByteArrayInputStream(saved.getBytes(StandardCharsets.UTF_8)));
            assertEquals(
                    "gatun: load_config: bdev_malloc_create: File exists: a bdev is called m0 already (code -17)\n",
                    rpc(Gatun.FAILED, "load_config"));
            assertTrue(rpc(Gatun.USAGE, "save_config", "name=m0").contains("save_config takes no parameters"));
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void rpcTypesItsArgumentsByTheSchema() throws Exception {
        try (Running _ = new Running()) {
            assertEquals("m\n", rpc("bdev_malloc_create", "name=m", "block_size=0x200", "num_blocks=2048"));
            assertTrue(rpc("bdev_get_iostat", "names=m").contains("\"name\" : \"m\""));
            assertTrue(rpc("bdev_get_iostat", "{\"names\": [\"m\"]}").contains("\"name\" : \"m\""));
            assertEquals("true\n", rpc("bdev_malloc_delete", "name=m"));
        }
    }

    @Test
    void metricsAnswerOverHttp() throws Exception {
        try (Running daemon = new Running("--metrics", "0", "--bdev", "malloc:m0,size=1M")) {
            URI uri = URI.create("http://127.0.0.1:" + daemon.daemon.metricsAddress().getPort() + "/metrics");
            try (HttpClient http = HttpClient.newHttpClient()) {
                HttpResponse<String> answer =
                        http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
                assertEquals(200, answer.statusCode());
                assertTrue(answer.body().contains("gatun_bdev_size_bytes{bdev=\"m0\"} 1048576"), answer.body());
            }
        }
    }

    @Test
    void aLimitHoldsForADiskInUse() throws Exception {
        String socket = directory.resolve("m0.sock").toString();
        try (Running _ = new Running("--bdev", "malloc:m0,size=16M", "--vhost-blk", socket + ",bdev=m0")) {
            rpc("bdev_set_qos_limit", "name=m0", "rw_ios_per_sec=500");
            BlkBenchResult limited = new BlkBench(BlkBenchOptions.of(Path.of(socket))
                            .queueDepth(8)
                            .time(Duration.ofSeconds(1))
                            .ramp(Duration.ofMillis(200))
                            .build())
                    .run((_, _, _, _) -> {});
            assertTrue(limited.iops() < 700, "limited to 500, served " + limited.iops());
            rpc("bdev_set_qos_limit", "name=m0", "rw_ios_per_sec=0");
            JsonNode disk;
            try (JsonRpcClient client = connect()) {
                disk = client.call("bdev_get_iostat", JsonNodeFactory.instance.objectNode());
            }
            assertTrue(disk.path("bdevs").path(0).path("num_read_ops").asLong() > 0, disk.toString());
        }
    }

    @Test
    void theDemosEndsTalkThroughTheSwitch() throws Exception {
        String[] options = Arrays.stream(DemoSwitch.OPTIONS)
                .map(option -> option.replace("DIRECTORY", directory.toString()))
                .toArray(String[]::new);
        StringWriter told = new StringWriter();
        try (Running _ = new Running(options); JsonRpcClient client = connect()) {
            assertTrue(new DemoSwitch(new PrintWriter(told), client).run(directory, 1), told::toString);
            assertEquals(2, client.call("port_get", null).size(), "the ends are gone again");
        }
        assertTrue(told.toString().contains("02:00:00:00:00:00 is at p1"), told::toString);
    }

    @Test
    void topShowsPortsAndWhatTheyDrop() throws Exception {
        try (Running _ = new Running("--port", "null:n0,size=60", "--port", "null:n1", "--loop", "rxonly:n1",
                "--port", "null:n3,size=60,rate=1000", "--switch", "br0,ports=n3")) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8);
            assertEquals(Gatun.OK, Gatun.run(stream, stream, "top", "-s", rpc(), "--interval", "0.1", "--count", "1"));
            String table = out.toString(StandardCharsets.UTF_8);
            assertTrue(table.startsWith("PORT "), table);
            assertTrue(table.contains("n1#0") && table.contains("loop rxonly:n1"), table);
            assertTrue(table.contains("SWITCH ") && table.contains("br0 "), table);
            assertTrue(table.contains("n0 rx0") && table.contains("no_destination "), table);
            assertTrue(table.contains("MAC OF br0 ") && table.matches("(?s).*02:00:00:00:\\S+ +0 +0  n3\n.*"), table);
        }
    }

    @Test
    void topShowsDisksQueuesAndReactors() throws Exception {
        try (Running _ = new Running(
                "--bdev", "malloc:m0,size=1M", "--vhost-blk", directory.resolve("m0.sock") + ",bdev=m0")) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            PrintStream stream = new PrintStream(out, true, StandardCharsets.UTF_8);
            assertEquals(Gatun.OK, Gatun.run(stream, stream, "top", "-s", rpc(), "--interval", "0.1", "--count", "2"));
            String tables = out.toString(StandardCharsets.UTF_8);
            assertEquals(2, tables.lines().filter(line -> line.startsWith("DISK")).count(), tables);
            assertTrue(tables.contains("reactor-0"), tables);
            assertTrue(tables.contains("no guest has connected yet"), tables);
        }
    }
}
