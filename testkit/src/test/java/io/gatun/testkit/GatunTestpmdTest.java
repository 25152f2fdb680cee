package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.testkit.TestpmdSpec.RingKind;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kind of ring between DPDK and Gatun, either way round: millions of packets go there and come back, and with
 * each kind every byte of every packet is checked once.
 *
 * <p>Both ends poll: each has a core of its own where there are two.
 */
@RequiresPeer(Peer.TESTPMD)
@Timeout(120)
class GatunTestpmdTest {
    private static final long MANY = 1_000_000;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int WINDOW = 128;
    private static final int SERVER_CORE = 0;
    private static final int CLIENT_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);

    private static Lab.Workspace folder;
    private static PeerProcess gatun;

    /** One Gatun for all: its ports meet one driver after the other. */
    @BeforeAll
    static void start() {
        folder = Lab.workspace();
        gatun = PeerProcess.start(
                "gatun",
                List.of(
                        GatunProgram.require().script().toString(),
                        "serve",
                        "--rpc", folder.path("rpc.sock").toString(),
                        "--cores", Integer.toString(SERVER_CORE),
                        "--port", "vhost:p0,queues=2,socket=" + listening(),
                        "--port", "vhost:p1,queues=2,connect=on,socket=" + connecting(),
                        "--loop", "macswap:p0",
                        "--loop", "macswap:p1"));
        ListeningSockets.await(listening(), gatun, PATIENCE);
    }

    @AfterAll
    static void stop() {
        gatun.close();
        folder.close();
    }

    private static Path listening() {
        return folder.path("p0.sock");
    }

    private static Path connecting() {
        return folder.path("p1.sock");
    }

    static List<RingKind> rings() {
        List<RingKind> kinds = new ArrayList<>();
        for (int bits = 0; bits < 8; bits++) {
            kinds.add(new RingKind((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false));
        }
        return kinds;
    }

    /** DPDK has vector code for these only, and for packed rings only where the processor has AVX-512. */
    static Stream<RingKind> vectorized() {
        return Stream.of(new RingKind(false, false, false, true), new RingKind(true, true, false, true));
    }

    static List<Arguments> drivers() {
        return Stream.concat(rings().stream(), vectorized())
                .flatMap(kind -> Stream.of(1, 2)
                        .flatMap(queues -> Stream.of(false, true)
                                .map(listens -> Arguments.of(kind, queues, listens))))
                .toList();
    }

    @ParameterizedTest(name = "{0}, {1} queue pairs, driver listens: {2}")
    @MethodSource("drivers")
    void dpdksDriverGetsMillionsBack(RingKind kind, int queues, boolean listens) {
        TestpmdSpec spec = TestpmdSpec.driver(listens ? connecting() : listening())
                .withListening(listens)
                .withRings(kind)
                .withQueues(queues)
                .withCore(CLIENT_CORE);
        try (Testpmd driver = Testpmd.start(spec)) {
            driver.awaitReady().forward();
            driver.awaitReceived(MANY, PATIENCE);
            Testpmd.Statistics seen = driver.halt().statistics();
            assertEquals(0, seen.errors(), seen::toString);
            // They come back as long as they were; this forward mode leaves room for a frame check sequence.
            assertEquals(seen.received() * (spec.packetBytes() - 4), seen.receivedBytes(), seen::toString);
            driver.quit();
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "\nGatun:\n" + gatun.tail(), e);
        }
    }

    static List<Arguments> verified() {
        List<Arguments> cases = new ArrayList<>();
        int turn = 0;
        for (RingKind kind : rings()) {
            // Each kind once with one pair and once with two, each role in turn.
            cases.add(Arguments.of(kind, 1 + turn % 2, turn % 4 < 2));
            turn++;
        }
        return cases;
    }

    @ParameterizedTest(name = "{0}, {1} queue pairs, driver listens: {2}")
    @MethodSource("verified")
    void gatunsDriverChecksWhatGatunSendsBack(RingKind kind, int queues, boolean listens) {
        assertEquals(0, lost(kind, queues, listens, listens ? connecting() : listening()));
    }

    @ParameterizedTest(name = "{0}, {1} queue pairs, driver listens: {2}")
    @MethodSource("verified")
    void gatunsDriverChecksWhatDpdkSendsBack(RingKind kind, int queues, boolean listens) {
        Path socket = folder.path("dpdk.sock");
        TestpmdSpec spec = TestpmdSpec.device(socket)
                .withListening(!listens)
                .withQueues(queues)
                .withCore(SERVER_CORE);
        try (Testpmd device = Testpmd.start(spec)) {
            device.awaitReady().forward();
            long lost = lost(kind, queues, listens, socket);
            // DPDK gives up a packet for which the ring has no buffer or is not enabled yet, and counts it.
            Testpmd.Statistics seen = device.halt().statistics();
            assertEquals(seen.refused(), lost, seen::toString);
            device.quit();
        }
    }

    /** Has Gatun's driver check every byte that comes back; returns how many packets did not. */
    private static long lost(RingKind kind, int queues, boolean listens, Path socket) {
        List<String> options = new ArrayList<>(List.of(
                "--queues", Integer.toString(queues),
                "--size", queues == 1 ? "64" : "1518",
                "--window", Integer.toString(WINDOW),
                "--ramp", "0.2",
                "--time", "0.8"));
        if (kind.packed()) {
            options.add("--packed");
        }
        if (kind.inOrder()) {
            options.add("--in-order");
        }
        if (!kind.mergeable()) {
            options.add("--no-mrg");
        }
        if (listens) {
            options.add("--listen");
        }
        JsonNode result = GatunBench.echo(socket, options.toArray(String[]::new));
        assertEquals(0, result.path("faults").asLong(-1), result::toPrettyString);
        assertTrue(result.path("verified_packets").asLong() > WINDOW, result::toPrettyString);
        return result.path("lost").asLong(-1);
    }
}
