package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.testkit.TestpmdSpec.RingKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every byte of every packet, on all kinds of rings, with DPDK at the other end of Gatun's ports: as the device of a
 * virtio-user port, and as the driver of a vhost port. DPDK sends back what a third program sends through Gatun and
 * checks.
 *
 * <pre>
 *    bench net — vhost:x — io — virtio-user:u — DPDK net_vhost
 *    bench net — vhost:x — io — vhost:y — DPDK net_virtio_user
 * </pre>
 */
@RequiresPeer(Peer.TESTPMD)
@Timeout(60)
class GatunContentTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int SERVER_CORE = 0;
    private static final int DPDK_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);

    /** A window of packets went there and back; how many more in that time depends on what else runs here. */
    private static final long FEW = 128;

    private static SwitchServer gatun;
    private static Lab.Workspace folder;

    /** DPDK's devices, which meet one driver after the other: one that listens and one that connects. */
    private static Testpmd listening;

    private static Testpmd connecting;

    @BeforeAll
    static void start() {
        folder = Lab.workspace();
        gatun = SwitchServer.of(GatunProgram.require())
                .vhost("x", "queues=2")
                .vhost("y", "queues=2")
                .vhostConnecting("z", "queues=2")
                .argument("--cores", Integer.toString(SERVER_CORE))
                .start();
    }

    @AfterAll
    static void stop() {
        Stream.of(listening, connecting).filter(device -> device != null).forEach(Testpmd::close);
        gatun.close();
        folder.close();
    }

    private static Path dpdk(boolean listens) {
        return folder.path(listens ? "d0.sock" : "d1.sock");
    }

    /** Each kind with one pair and with two, and in each role. */
    static List<Arguments> devices() {
        List<Arguments> cases = new ArrayList<>();
        int turn = 0;
        for (RingKind kind : GatunTestpmdTest.rings()) {
            cases.add(Arguments.of(kind, 1 + turn % 2, false));
            cases.add(Arguments.of(kind, 2 - turn % 2, true));
            turn++;
        }
        return cases;
    }

    @ParameterizedTest(name = "{0}, {1} queue pairs, Gatun listens: {2}")
    @MethodSource("devices")
    void dpdkIsTheDevice(RingKind kind, int queues, boolean listens) {
        Testpmd device = device(!listens);
        ObjectNode port = RpcClient.params()
                .put("name", "u")
                .put("socket", dpdk(!listens).toString())
                .put("listen", listens)
                .put("queues", queues)
                .put("packed", kind.packed())
                .put("in_order", kind.inOrder())
                .put("mergeable", kind.mergeable())
                .put("hugepages", false);
        gatun.rpc().call("port_virtio_user_create", port);
        try {
            awaitUp("u");
            JsonNode info = gatun.portInfo("u").get("driver_specific");
            assertFeatures(kind, info.get("features"), info);
            long before = device.statistics().received();
            long checked = exchange("u", queues);
            assertTrue(device.statistics().received() >= before + checked, "DPDK has not seen them");
        } finally {
            gatun.rpc().call("port_delete", RpcClient.params().put("name", "u"));
        }
    }

    private static Testpmd device(boolean listens) {
        if (listens && listening == null) {
            listening = startDevice(true);
        } else if (!listens && connecting == null) {
            connecting = startDevice(false);
        }
        return listens ? listening : connecting;
    }

    private static Testpmd startDevice(boolean listens) {
        TestpmdSpec spec = TestpmdSpec.device(dpdk(listens))
                .withListening(listens)
                .withQueues(2)
                .withForward("macswap")
                .withCore(DPDK_CORE);
        return Testpmd.start(spec).awaitReady().forward();
    }

    static List<Arguments> drivers() {
        List<Arguments> cases = new ArrayList<>();
        int turn = 0;
        List<RingKind> kinds = new ArrayList<>(GatunTestpmdTest.rings());
        GatunTestpmdTest.vectorized().forEach(kinds::add);
        for (RingKind kind : kinds) {
            // Each kind once, with one pair and two, in each role in turn.
            cases.add(Arguments.of(kind, 1 + turn % 2, turn % 4 < 2));
            turn++;
        }
        return cases;
    }

    @ParameterizedTest(name = "{0}, {1} queue pairs, DPDK listens: {2}")
    @MethodSource("drivers")
    void dpdkIsTheDriver(RingKind kind, int queues, boolean listens) {
        String port = listens ? "z" : "y";
        TestpmdSpec spec = TestpmdSpec.driver(gatun.socket(port))
                .withListening(listens)
                .withRings(kind)
                .withQueues(queues)
                .withForward("macswap")
                .withCore(DPDK_CORE);
        try (Testpmd driver = Testpmd.start(spec)) {
            driver.awaitReady().forward();
            awaitUp(port);
            JsonNode info = gatun.portInfo(port).get("driver_specific");
            assertFeatures(kind, info.get("features"), info);
            long checked = exchange(port, queues);
            assertTrue(driver.statistics().received() >= checked, "DPDK has not seen them");
            driver.quit();
        }
    }

    private static void assertFeatures(RingKind kind, JsonNode names, JsonNode info) {
        Set<String> features = new HashSet<>();
        names.forEach(name -> features.add(name.asText()));
        assertEquals(kind.packed(), features.contains("ring_packed"), info::toString);
        assertEquals(kind.inOrder(), features.contains("in_order"), info::toString);
        assertEquals(kind.mergeable(), features.contains("mrg_rxbuf"), info::toString);
    }

    private static void awaitUp(String port) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!gatun.portInfo(port).get("link").asText().equals("up")) {
            assertTrue(System.nanoTime() < deadline, () -> "the link is down: " + gatun.portInfo(port));
            LockSupport.parkNanos(5_000_000);
        }
    }

    /** Connects x with a port for as long as packets go through both; returns how many were checked. */
    private static long exchange(String port, int queues) {
        ObjectNode loop = RpcClient.params().put("mode", "io");
        loop.putArray("ports").add("x").add(port);
        JsonNode name = gatun.rpc().call("loop_create", loop);
        try {
            JsonNode result = GatunBench.echo(
                    gatun.socket("x"),
                    "--queues", Integer.toString(queues),
                    "--size", queues == 1 ? "64" : "1518",
                    "--ramp", "0.1",
                    "--time", "0.3",
                    // DPDK shares a processor with others: it ends when all are back, however long that takes.
                    "--patience", "20");
            assertEquals(0, result.path("faults").asLong(-1), result::toPrettyString);
            assertEquals(0, result.path("lost").asLong(-1), () -> result.toPrettyString() + gatun.portInfo(port));
            long checked = result.path("verified_packets").asLong();
            assertTrue(checked > FEW, result::toPrettyString);
            return checked;
        } finally {
            gatun.rpc().call("loop_delete", RpcClient.params().put("name", name.asText()));
        }
    }
}
