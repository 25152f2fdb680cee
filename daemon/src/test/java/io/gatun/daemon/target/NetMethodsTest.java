package io.gatun.daemon.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vhostuser.BackendOptions;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The contract of the methods about ports, switches and loops. */
class NetMethodsTest {
    @TempDir
    private Path directory;

    private Target target;

    @BeforeEach
    void start() {
        target = Target.start(new Settings(List.of(), IdlePolicy.ADAPTIVE, BackendOptions.DEFAULT, directory));
        target.finishStart();
    }

    @AfterEach
    void stop() {
        target.close();
    }

    private JsonNode call(String method, String params) {
        return Calls.later(target, method, params).join();
    }

    private void refused(int code, String text, String method, String params) {
        RpcException told = assertThrows(RpcException.class, () -> call(method, params));
        assertEquals(code, told.code(), told.getMessage());
        assertTrue(told.getMessage().startsWith(text), told.getMessage());
    }

    private JsonNode port(String name) {
        return call("port_get", "{'name': '" + name + "'}").get(0);
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "not within 20 seconds");
            Thread.sleep(1);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "-32602 | Invalid parameters: name is missing | port_null_create | {}",
        "-22 | Invalid argument: name=a+b: expected 1 to 63 letters, digits, dots, dashes and underscores"
                + " | port_null_create | {'name': 'a+b'}",
        "-22 | Invalid argument: name=: expected 1 to 63 letters | port_null_create | {'name': ''}",
        "-17 | File exists: a port is called n0 already | port_null_create | {'name': 'n0'}",
        "-22 | Invalid argument: a null port has 1 to 64 queues, not 0 | port_null_create"
                + " | {'name': 'n', 'queues': 0}",
        "-22 | Invalid argument: a null port has 1 to 64 queues | port_null_create"
                + " | {'name': 'n', 'queues': 4294967295}",
        "-32602 | Invalid argument: cpumask=0x80000000 | port_null_create | {'name': 'n', 'cpumask': '0x80000000'}",
        "-19 | No such device: no port is called x; expected one of n0, n1 | port_get | {'name': 'x'}",
        "-19 | No such device: no port is called x | port_delete | {'name': 'x'}",
        "-19 | No such device: no port is called x | loop_create | {'mode': 'rxonly', 'ports': ['x']}",
        "-19 | No such device: no loop is called x; there is none yet | loop_delete | {'name': 'x'}",
        "-32602 | Invalid parameters: mode=\"csum\": expected one of io, macswap, rxonly, txonly, icmpecho"
                + " | loop_create | {'mode': 'csum', 'ports': ['n0']}",
        "-22 | Invalid argument: ports=: expected one port for macswap | loop_create"
                + " | {'mode': 'macswap', 'ports': []}",
        "-22 | Invalid argument: ports=n0+n1: expected one port for macswap | loop_create"
                + " | {'mode': 'macswap', 'ports': ['n0', 'n1']}",
        "-22 | Invalid argument: ports=n0+n1+n0: expected one port or two | loop_create"
                + " | {'mode': 'io', 'ports': ['n0', 'n1', 'n0']}",
        "-22 | Invalid argument: port n0 is named twice | loop_create | {'mode': 'io', 'ports': ['n0', 'n0']}",
        "-22 | Invalid argument: size is for txonly, not for io | loop_create"
                + " | {'mode': 'io', 'ports': ['n0'], 'size': 64}",
        "-22 | Invalid argument: packets of port n0 (MTU 1500) have 60 to 1514 bytes, not 59 | loop_create"
                + " | {'mode': 'txonly', 'ports': ['n0'], 'size': 59}",
    })
    void refusesWithCodeAndReason(int code, String text, String method, String params) {
        call("port_null_create", "{'name': 'n0'}");
        call("port_null_create", "{'name': 'n1'}");
        refused(code, text, method, params);
    }

    @Test
    void whatIsInUseIsNotDeletedNorUsedTwice() {
        call("port_null_create", "{'name': 'n0'}");
        call("port_null_create", "{'name': 'n1'}");
        assertEquals("io:n0+n1", call("loop_create", "{'mode': 'io', 'ports': ['n0', 'n1']}").asText());
        String used = "Device or resource busy: port n1 is used by loop io:n0+n1; end that first";
        refused(-16, used, "port_delete", "{'name': 'n1'}");
        refused(-16, used, "loop_create", "{'mode': 'rxonly', 'ports': ['n1']}");
        assertEquals("loop io:n0+n1", port("n0").path("used_by").asText());
        call("loop_delete", "{'name': 'io:n0+n1'}");
        assertTrue(port("n0").path("used_by").isNull());
        call("port_delete", "{'name': 'n1'}");
        assertEquals(1, call("port_get", "").size());
        assertEquals(0, call("loop_get", "").size());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', value = {
        "-22 | Invalid argument: name=a b: expected 1 to 63 letters | {'name': 'a b'}",
        "-17 | File exists: a switch is called br0 already | {'name': 'br0'}",
        "-19 | No such device: no port is called x; expected one of n0, n1 | {'name': 'br1', 'ports': ['n0', 'x']}",
        "-16 | Device or resource busy: port n1 is used by switch br0; end that first"
                + " | {'name': 'br1', 'ports': ['n0', 'n1']}",
        "-22 | Invalid argument: port n0 is named twice | {'name': 'br1', 'ports': ['n0', 'n0']}",
        "-22 | Invalid argument: a switch learns 1 to 1000000 addresses | {'name': 'br1', 'mac_limit': 0}",
        "-32602 | Invalid parameters: access=n0: expected PORT:VALUE"
                + " | {'name': 'br1', 'ports': ['n0'], 'access': ['n0']}",
        "-32602 | Invalid parameters: access=n1:1: n1 is none of the switch's ports, n0"
                + " | {'name': 'br1', 'ports': ['n0'], 'access': ['n1:1']}",
        "-32602 | Invalid parameters: access=x: expected a whole number"
                + " | {'name': 'br1', 'ports': ['n0'], 'access': ['n0:x']}",
        "-32602 | Invalid parameters: access=n0:2: n0 is given twice"
                + " | {'name': 'br1', 'ports': ['n0'], 'access': ['n0:1', 'n0:2']}",
        "-22 | Invalid argument: port n0: a VLAN is 1 to 4094, and the access one is 4095"
                + " | {'name': 'br1', 'ports': ['n0'], 'access': ['n0:4095']}",
        "-22 | Invalid argument: port n0: trunk=1/x: expected VLANs from 1 to 4094 such as 10/20-29, or all"
                + " | {'name': 'br1', 'ports': ['n0'], 'trunk': ['n0:1/x']}",
        "-22 | Invalid argument: port n0: a port is an access port or a trunk, not both"
                + " | {'name': 'br1', 'ports': ['n0'], 'trunk': ['n0:2'], 'access': ['n0:1']}"
    })
    void aSwitchIsRefusedAsAWhole(int code, String text, String params) {
        call("port_null_create", "{'name': 'n0'}");
        call("port_null_create", "{'name': 'n1'}");
        call("switch_create", "{'name': 'br0', 'ports': ['n1']}");
        refused(code, text, "switch_create", params);
        assertEquals(1, call("switch_get", "").size());
        assertTrue(port("n0").path("used_by").isNull(), "nothing is left behind");
    }

    @Test
    void aSwitchHasAtMost1024Ports() {
        List<String> names = IntStream.range(0, 1025).mapToObj(i -> "n" + i).toList();
        names.forEach(name -> call("port_null_create", "{'name': '" + name + "'}"));
        String most = "'" + String.join("', '", names.subList(0, 1024)) + "'";
        String full = "Invalid parameters: switch br0 would have 1025 ports: expected at most 1024; use several";
        refused(-32602, full, "switch_create", "{'name': 'br0', 'ports': [" + most + ", 'n1024']}");
        assertEquals(0, call("switch_get", "").size());
        assertTrue(port("n0").path("used_by").isNull(), "nothing is left behind");
        call("switch_create", "{'name': 'br0', 'ports': [" + most + "]}");
        refused(-32602, full, "switch_add_port", "{'name': 'br0', 'port': 'n1024'}");
        assertTrue(port("n1024").path("used_by").isNull());
        call("switch_remove_port", "{'name': 'br0', 'port': 'n7'}");
        call("switch_add_port", "{'name': 'br0', 'port': 'n1024'}");
    }

    @Test
    void aSwitchLearnsAndForwards() throws InterruptedException {
        call("port_null_create", "{'name': 'n0', 'size': 60, 'rate': 1000}");
        call("port_null_create", "{'name': 'n1'}");
        call("port_null_create", "{'name': 'n2'}");
        call("switch_create", "{'name': 'br0', 'ports': ['n0', 'n1', 'n2'], 'access': ['n0:5', 'n1:5', 'n2:6']}");
        await(() -> port("n1").path("tx_queues").path(0).path("packets").asLong() > 10);
        assertEquals(0, port("n2").path("tx_queues").path(0).path("packets").asLong(), "another VLAN");
        JsonNode macs = call("switch_get_macs", "{'name': 'br0'}");
        assertEquals(1, macs.size(), macs.toString());
        assertEquals("n0", macs.path(0).path("port").asText());
        assertEquals(5, macs.path(0).path("vlan").asInt());
        JsonNode told = call("switch_get", "{'name': 'br0'}").get(0);
        assertEquals(1, told.path("macs").asInt());
        assertTrue(told.path("flooded").asLong() > 0, told.toString());
        assertEquals("{\"port\":\"n2\",\"access\":6}", told.path("ports").path(2).toString());
        refused(-16, "Device or resource busy: port n1 is used by switch br0", "port_delete", "{'name': 'n1'}");
        call("switch_remove_port", "{'name': 'br0', 'port': 'n1'}");
        refused(-2, "No such file or directory: port n1 is none of switch br0", "switch_remove_port",
                "{'name': 'br0', 'port': 'n1'}");
        call("port_delete", "{'name': 'n1'}");
        call("switch_delete", "{'name': 'br0'}");
        assertTrue(port("n0").path("used_by").isNull());
        refused(-19, "No such device: no switch is called br0; there is none yet", "switch_get_macs",
                "{'name': 'br0'}");
    }

    @Test
    void everyPacketIsCountedByQueueSizeAndCause() throws InterruptedException {
        call("port_null_create", "{'name': 'n0', 'queues': 2, 'size': 60}");
        call("port_null_create", "{'name': 'n1'}");
        await(() -> port("n0").path("rx_queues").path(1).path("drops").path("no_destination").asLong() > 0);
        call("loop_create", "{'mode': 'io', 'ports': ['n0', 'n1']}");
        await(() -> port("n1").path("tx_queues").path(0).path("packets").asLong() > 0);
        JsonNode queue = port("n0").path("rx_queues").path(0);
        assertEquals("reactor-0", queue.path("reactor").asText());
        // Both move while they are read.
        long classed = queue.path("sizes").path("64").asLong() + 64;
        assertTrue(classed >= queue.path("packets").asLong(), queue.toString());
        assertTrue(queue.path("bytes").asLong() >= 60 * 60, queue.toString());
        assertEquals("up", port("n0").path("link").asText());
        assertEquals(1500, port("n0").path("mtu").asInt());
        assertEquals("null", port("n0").path("type").asText());
    }

    @Test
    void aGeneratorSendsUntilItIsDeleted() throws InterruptedException {
        call("port_null_create", "{'name': 'n0'}");
        call("loop_create", "{'mode': 'txonly', 'ports': ['n0'], 'size': 1514}");
        await(() -> port("n0").path("tx_queues").path(0).path("sizes").path("1518").asLong() > 0);
        call("loop_delete", "{'name': 'txonly:n0'}");
        long sent = port("n0").path("tx_queues").path(0).path("packets").asLong();
        assertEquals(sent, port("n0").path("tx_queues").path(0).path("packets").asLong());
    }

    @Test
    void aVhostPortListensUntilItIsDeleted() {
        call("port_vhost_create", "{'name': 'p0', 'socket': 'p0.sock', 'queues': 2, 'packed': false}");
        JsonNode p0 = port("p0");
        assertEquals("vhost", p0.path("type").asText());
        assertEquals("down", p0.path("link").asText());
        assertEquals(2, p0.path("rx_queues").size());
        assertEquals(directory.resolve("p0.sock").toString(), p0.path("driver_specific").path("socket").asText());
        assertFalse(p0.path("driver_specific").path("connected").asBoolean());
        assertTrue(Files.exists(directory.resolve("p0.sock")));
        refused(-98, "Address already in use", "port_vhost_create", "{'name': 'p1', 'socket': 'p0.sock'}");
        call("port_delete", "{'name': 'p0'}");
        assertFalse(Files.exists(directory.resolve("p0.sock")));
    }

    /** A guest's end, a switch in the middle, and the host's end of it, all in one process. */
    @ParameterizedTest
    @CsvSource({"false, false, 1", "true, false, 1", "false, true, 2", "true, true, 2"})
    void bothEndsOfVhostUserMeet(boolean packed, boolean listens, int queues) throws InterruptedException {
        String ends = "'packed': " + packed + ", 'queues': " + queues + ", 'socket': 'p0.sock'";
        call("port_vhost_create", "{'name': 'p0', 'connect': " + listens + ", " + ends + "}");
        call("port_virtio_user_create", "{'name': 'u0', 'hugepages': false, 'listen': " + listens + ", " + ends + "}");
        call("port_null_create", "{'name': 'n0'}");
        call("switch_create", "{'name': 'br0', 'ports': ['p0', 'n0']}");
        call("loop_create", "{'mode': 'txonly', 'ports': ['u0']}");
        await(() -> port("n0").path("tx_queues").path(0).path("packets").asLong() > 1000);
        JsonNode features = port("u0").path("driver_specific").path("features");
        assertEquals(features, port("p0").path("driver_specific").path("features"));
        assertEquals(packed, features.toString().contains("\"ring_packed\""));
        assertEquals("up", port("p0").path("link").asText());
        assertEquals("p0", call("switch_get_macs", "{'name': 'br0'}").path(0).path("port").asText());
    }

    @Test
    void aRunningPortIsCaptured() throws Exception {
        call("port_null_create", "{'name': 'n0', 'size': 60, 'rate': 1000}");
        Path file = directory.resolve("n0.pcap");
        call("port_capture_start", "{'name': 'n0', 'path': '" + file + "', 'snaplen': 14}");
        refused(-16, "Device or resource busy: port n0 is captured to " + file, "port_capture_start",
                "{'name': 'n0', 'path': '" + file + "'}");
        await(() -> port("n0").path("capture").path("packets").asLong() > 10);
        JsonNode told = call("port_capture_stop", "{'name': 'n0'}");
        assertEquals(24 + told.path("packets").asLong() * (16 + 14), Files.size(file), told.toString());
        refused(-2, "No such file or directory: port n0 is not being captured", "port_capture_stop", "{'name': 'n0'}");
        assertTrue(port("n0").path("capture").isNull());
        call("port_capture_start", "{'name': 'n0', 'path': '" + file + "'}");
        call("port_delete", "{'name': 'n0'}");
    }

    @Test
    void aFileIsReplayedAndWritten() throws Exception {
        call("port_null_create", "{'name': 'n0', 'size': 60, 'rate': 1000}");
        Path file = directory.resolve("n0.pcap");
        call("port_capture_start", "{'name': 'n0', 'path': '" + file + "'}");
        await(() -> port("n0").path("capture").path("packets").asLong() > 10);
        long packets = call("port_capture_stop", "{'name': 'n0'}").path("packets").asLong();
        Path copy = directory.resolve("copy.pcap");
        call("port_pcap_create", "{'name': 'c0', 'replay': '" + file + "', 'rounds': 2, 'path': '" + copy + "'}");
        call("loop_create", "{'mode': 'io', 'ports': ['c0']}");
        await(() -> port("c0").path("driver_specific").path("replayed").asBoolean());
        call("loop_delete", "{'name': 'io:c0'}");
        call("port_delete", "{'name': 'c0'}");
        assertEquals(24 + 2 * packets * (16 + 60), Files.size(copy));
        refused(-22, "Invalid argument: a pcap port needs a file", "port_pcap_create", "{'name': 'c0'}");
        refused(-22, "Invalid argument: " + file + " cannot be replayed and written", "port_pcap_create",
                "{'name': 'c0', 'replay': '" + file + "', 'path': '" + directory + "/./n0.pcap'}");
        refused(-2, "No such file or directory", "port_pcap_create", "{'name': 'c0', 'replay': '/nonexistent'}");
        Path text = Files.writeString(directory.resolve("text"), "this is no capture, but a text");
        refused(-22, "Invalid argument", "port_pcap_create", "{'name': 'c0', 'replay': '" + text + "'}");
    }

    /** Two writers would make one file that nobody can read. */
    @Test
    void aCaptureIsWrittenByOneAlone() throws Exception {
        Path file = directory.resolve("n0.pcap");
        call("port_null_create", "{'name': 'n0', 'size': 60, 'rate': 1000}");
        call("port_capture_start", "{'name': 'n0', 'path': '" + file + "'}");
        await(() -> port("n0").path("capture").path("packets").asLong() > 10);
        refused(-16, "Device or resource busy: write " + file + ": EBUSY; a capture is written there",
                "port_pcap_create", "{'name': 'c0', 'path': '" + file + "'}");
        long packets = call("port_capture_stop", "{'name': 'n0'}").path("packets").asLong();
        assertEquals(24 + packets * (16 + 60), Files.size(file));
        Path pipe = directory.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        refused(-22, "Invalid argument: " + pipe + " is no regular file", "port_capture_start",
                "{'name': 'n0', 'path': '" + pipe + "'}");
    }

    @Test
    void portsAreMetrics() {
        call("port_null_create", "{'name': 'n0', 'queues': 2}");
        call("port_vhost_create", "{'name': 'p0', 'socket': 'p0.sock'}");
        call("switch_create", "{'name': 'br0', 'ports': ['p0']}");
        String metrics = PrometheusTextFormatWriter.create().toDebugString(Metrics.snapshot(target));
        for (String line : List.of(
                "gatun_port_link{port=\"p0\",type=\"vhost\"} 0.0",
                "gatun_switch_macs{switch=\"br0\"} 0.0",
                "gatun_switch_flooded_total{switch=\"br0\"} 0.0",
                "gatun_port_mtu_bytes{port=\"n0\",type=\"null\"} 1500.0",
                "gatun_port_bytes_total{direction=\"tx\",port=\"n0\",queue=\"1\"} 0.0",
                "gatun_port_packets_total{direction=\"rx\",port=\"p0\",queue=\"0\",size=\"64\"} 0.0",
                "gatun_port_dropped_total{cause=\"no_buffer\",direction=\"tx\",port=\"p0\",queue=\"0\"} 0.0")) {
            assertTrue(metrics.contains(line + "\n"), line + " is not in " + metrics);
        }
    }

    @Test
    void aSavedConfigurationRecreatesTheSameState() {
        Path relative = Path.of("").toAbsolutePath().relativize(directory.resolve("empty.pcap"));
        call("port_pcap_create", "{'name': 'made', 'path': '" + relative + "'}");
        call("port_delete", "{'name': 'made'}");
        call("port_null_create", "{'name': 'n0', 'queues': 2, 'size': 64, 'rate': 10}");
        call("port_null_create", "{'name': 'n1', 'cpumask': '[0]'}");
        call("port_null_create", "{'name': 'n2'}");
        call("port_vhost_create", "{'name': 'p0', 'socket': 'p0.sock', 'mtu': 9000, 'in_order': false}");
        call("port_vhost_create", "{'name': 'p1', 'socket': 'p1.sock', 'connect': true}");
        call("port_virtio_user_create", "{'name': 'u0', 'socket': 'u0.sock', 'listen': true, 'packed': true}");
        call("port_pcap_create", "{'name': 'c0', 'path': '" + directory.resolve("c0.pcap") + "'}");
        call("loop_create", "{'mode': 'macswap', 'ports': ['p0']}");
        call("switch_create", "{'name': 'br0', 'ports': ['p1', 'c0'], 'mirror': ['c0'], 'trunk': ['p1:10/20-29'],"
                + " 'native': ['p1:10'], 'byte_rate': ['p1:1000000'], 'ageing': 60}");
        call("port_null_create", "{'name': 'n3'}");
        call("switch_add_port", "{'name': 'br0', 'port': 'n3', 'port_macs': 1, 'packet_rate': 1000}");
        call("loop_create", "{'mode': 'io', 'ports': ['n0', 'n1']}");
        call("loop_create", "{'mode': 'txonly', 'ports': ['n2'], 'size': 100}");
        call("port_pcap_create", "{'name': 'c1', 'replay': '" + relative + "', 'rounds': 0}");
        JsonNode saved = call("framework_get_config", "{'name': 'net'}");
        assertEquals(relative.toAbsolutePath().toString(), saved.findValue("replay").asText(),
                "the same file, wherever it is loaded");
        target.close();
        start();
        for (JsonNode entry : saved) {
            target.call(entry.path("method").asText(), entry.get("params")).toCompletableFuture().join();
        }
        assertEquals(saved, call("framework_get_config", "{'name': 'net'}"));
    }
}
