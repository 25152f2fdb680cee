package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What Gatun writes of packets, tcpdump and tshark read: how many there are, how long, and what is in them. */
@RequiresPeer({Peer.TCPDUMP, Peer.TSHARK})
@Timeout(120)
class GatunCaptureTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** Ethernet, IPv4 and UDP, in {@code bench net}'s packets. */
    private static final int HEADERS = 14 + 20 + 8;

    /** What tshark is to say of each packet. */
    private static final List<String> FIELDS = List.of(
            "frame.number", "frame.len", "frame.cap_len",
            "eth.src", "eth.dst",
            "ip.src", "ip.dst", "ip.checksum.status",
            "udp.srcport", "udp.dstport", "udp.length");

    private static final String THERE = "02:00:00:00:00:00";
    private static final String BACK = "02:00:00:00:01:00";

    @Test
    void captureOfARunningPortIsRead() {
        try (Lab.Workspace files = Lab.workspace();
                SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("x")
                        .argument("--loop", "macswap:x")
                        .start()) {
            Path file = files.path("x.pcap");
            server.rpc()
                    .call("port_capture_start", RpcClient.params().put("name", "x").put("path", file.toString()));
            long packets = exchange(server, 64);
            JsonNode end = server.rpc().call("port_capture_stop", RpcClient.params().put("name", "x"));
            List<String> lines = tcpdump(file);
            // Each packet twice, on its way in and on its way out.
            assertEquals(2 * packets, lines.size(), end::toString);
            assertAll(lines, 64);
            assertDissected(file, lines.size(), 64);
            // Nothing runs any more that could be captured.
            assertTrue(exchange(server, 64) > 0);
            assertEquals(lines.size(), tcpdump(file).size());
        }
    }

    @Test
    void mirrorOfASwitchIsRead() {
        try (Lab.Workspace files = Lab.workspace();
                SwitchServer server = SwitchServer.of(GatunProgram.require())) {
            Path file = files.path("all.pcap");
            server.vhost("x")
                    .vhost("y")
                    .port("virtio-user:u", "socket=" + server.socket("y"), "hugepages=off")
                    .port("pcap:c0", "path=" + file)
                    .argument("--loop", "macswap:u")
                    .argument("--switch", "br0,ports=x+y+c0,mirror=c0")
                    .start();
            long packets = exchange(server, 1514);
            server.rpc().call("switch_remove_port", RpcClient.params().put("name", "br0").put("port", "c0"));
            server.rpc().call("port_delete", RpcClient.params().put("name", "c0"));
            List<String> lines = tcpdump(file);
            assertEquals(2 * packets, lines.size());
            assertAll(lines, 1514);
            assertDissected(file, lines.size(), 1514);
        }
    }

    /** Packets go out and come back, one after the other; returns how many. */
    private static long exchange(SwitchServer server, int bytes) {
        JsonNode result = GatunBench.echo(
                server.socket("x"),
                "--window", "1", "--size", Integer.toString(bytes), "--ramp", "0", "--time", "0.2");
        assertEquals(0, result.path("lost").asLong(-1), result::toPrettyString);
        long packets = result.path("verified_packets").asLong();
        assertTrue(packets > 10, result::toPrettyString);
        return packets;
    }

    private static List<String> tcpdump(Path file) {
        String program = Peer.TCPDUMP.path().toString();
        return PeerProcess.output(List.of(program, "-nn", "-e", "-Z", "root", "-r", file.toString()), PATIENCE);
    }

    /** Half of them one way, half of them back, and each with the length and the addresses that it was sent with. */
    private static void assertAll(List<String> lines, int bytes) {
        String packet = ", ethertype IPv4 (0x0800), length %d: 198.18.0.1.20000 > 198.18.1.0.20000: UDP, length %d"
                .formatted(bytes, bytes - HEADERS);
        int out = 0;
        for (String line : lines) {
            assertTrue(line.endsWith(packet), line);
            out += line.contains(THERE + " > " + BACK + ",") ? 1 : 0;
            // Nanoseconds.
            assertTrue(line.matches("\\d\\d:\\d\\d:\\d\\d\\.\\d{6,9} .*"), line);
        }
        assertEquals(lines.size() / 2, out);
    }

    /** The same as tshark takes it to pieces, with a checksum that it has checked. */
    private static void assertDissected(Path file, int packets, int bytes) {
        List<String> lines = tshark(file, FIELDS);
        assertEquals(packets, lines.size());
        for (int i = 0; i < packets; i++) {
            boolean there = lines.get(i).contains("," + THERE + "," + BACK + ",");
            String stations = there ? THERE + "," + BACK : BACK + "," + THERE;
            assertEquals(
                    "%d,%d,%d,%s,198.18.0.1,198.18.1.0,1,20000,20000,%d"
                            .formatted(i + 1, bytes, bytes, stations, bytes - HEADERS + 8),
                    lines.get(i));
        }
    }

    /** A line for each packet: the fields, with commas between. */
    private static List<String> tshark(Path file, List<String> fields) {
        List<String> command = new ArrayList<>(List.of(
                Peer.TSHARK.path().toString(),
                "-n", "-o", "ip.check_checksum:TRUE", "-r", file.toString(), "-T", "fields", "-E", "separator=,"));
        fields.forEach(field -> command.addAll(List.of("-e", field)));
        return PeerProcess.output(command, PATIENCE);
    }
}
