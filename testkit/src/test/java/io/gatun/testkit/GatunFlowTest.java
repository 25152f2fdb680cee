package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two DPDK guests at a switch, of which the receiver has four queue pairs: many flows use all of them, and a flow stays
 * where it is; with one reactor, and with two that hand packets over.
 */
@RequiresPeer(Peer.TESTPMD)
@Timeout(120)
class GatunFlowTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int PAIRS = 4;
    private static final int SENDER_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);
    private static final int RECEIVER_CORE = 0;
    private static final long MANY = 100_000;
    private static final long SOME = 1_000;

    private static SwitchServer start(String cores, int senderPairs) {
        return SwitchServer.of(GatunProgram.require())
                .vhost("x", "queues=" + senderPairs)
                .vhost("y", "queues=" + PAIRS)
                .argument("--cores", cores)
                .argument("--switch", "br0,ports=x+y")
                .start();
    }

    private static Testpmd receiver(SwitchServer server) {
        TestpmdSpec spec = TestpmdSpec.driver(server.socket("y"))
                .withQueues(PAIRS)
                .withForward("rxonly")
                .withCore(RECEIVER_CORE);
        return Testpmd.start(spec).awaitReady().forward();
    }

    private static Testpmd sender(SwitchServer server, String mode, int pairs, String... options) {
        TestpmdSpec spec = TestpmdSpec.driver(server.socket("x"))
                .withQueues(pairs)
                .withForward(mode)
                .withCore(SENDER_CORE)
                .withMore(options);
        return Testpmd.start(spec).awaitReady();
    }

    private static List<Long> packets(SwitchServer server, String port, String queues) {
        List<Long> counts = new ArrayList<>();
        server.portInfo(port).get(queues).forEach(queue -> counts.add(queue.get("packets").asLong()));
        return counts;
    }

    /** The reactors that a port's queues are on: as many as there are cores. */
    private static void assertPlaced(SwitchServer server, String cores) {
        for (String port : List.of("x", "y")) {
            Set<String> reactors = new HashSet<>();
            for (JsonNode queue : server.portInfo(port).get("tx_queues")) {
                reactors.add(queue.get("reactor").asText());
            }
            int queues = server.portInfo(port).get("tx_queues").size();
            assertEquals(Math.min(queues, cores.split(",").length), reactors.size(), port);
        }
    }

    @ParameterizedTest(name = "reactors on cores {0}")
    @ValueSource(strings = {"0", "0,1"})
    void fourQueuesFeedFour(String cores) {
        try (SwitchServer server = start(cores, PAIRS);
                Testpmd receiver = receiver(server);
                Testpmd sender = sender(server, "flowgen", PAIRS)) {
            assertPlaced(server, cores);
            sender.forward();
            receiver.awaitReceived(MANY, PATIENCE);
            sender.halt();
            assertEquals(PAIRS, server.busyQueues("x", "rx_queues"));
            assertEquals(PAIRS, server.busyQueues("y", "tx_queues"));
        }
    }

    @ParameterizedTest(name = "reactors on cores {0}")
    @ValueSource(strings = {"0", "0,1"})
    void manyFlowsOfOneQueueUseAllOfFour(String cores) {
        try (SwitchServer server = start(cores, 1);
                Testpmd receiver = receiver(server);
                Testpmd sender = sender(server, "flowgen", 1)) {
            assertPlaced(server, cores);
            sender.forward();
            receiver.awaitReceived(MANY, PATIENCE);
            sender.halt();
            List<Long> counts = packets(server, "y", "tx_queues");
            long all = counts.stream().mapToLong(Long::longValue).sum();
            // A fourth each, less what one of them had no room for.
            assertTrue(counts.stream().allMatch(count -> count > all / 100), counts::toString);
        }
    }

    @ParameterizedTest(name = "reactors on cores {0}")
    @ValueSource(strings = {"0", "0,1"})
    void aFlowStaysOnItsQueue(String cores) {
        try (SwitchServer server = start(cores, 1);
                Testpmd receiver = receiver(server)) {
            List<Integer> queues = new ArrayList<>();
            for (int flow : new int[] {1, 2, 3, 4, 1}) {
                queues.add(queueOf(server, receiver, flow));
            }
            assertEquals(queues.getFirst(), queues.getLast(), queues::toString);
            assertTrue(new HashSet<>(queues).size() > 1, queues::toString);
        }
    }

    /** Has a guest send one flow, and returns the only queue that carried any of it. */
    private static int queueOf(SwitchServer server, Testpmd receiver, int flow) {
        List<Long> before = packets(server, "y", "tx_queues");
        try (Testpmd sender = sender(server, "txonly", 1, "--tx-ip=198.18.0.1,198.18.1." + flow)) {
            long seen = receiver.statistics().received();
            sender.forward();
            receiver.awaitReceived(seen + SOME, PATIENCE);
            sender.quit();
        }
        List<Long> after = packets(server, "y", "tx_queues");
        Set<Integer> moved = new HashSet<>();
        for (int i = 0; i < PAIRS; i++) {
            if (!after.get(i).equals(before.get(i))) {
                moved.add(i);
            }
        }
        assertEquals(1, moved.size(), () -> "flow " + flow + ": " + before + ", then " + after);
        return moved.iterator().next();
    }
}
