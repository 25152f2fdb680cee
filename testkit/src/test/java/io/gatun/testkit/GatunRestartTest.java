package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Gatun is killed under a guest's verified load, again and again, and the guest does not notice. */
@RequiresPeer(Peer.GUEST)
class GatunRestartTest {
    private static final long LIMIT_NANOS = 1_000_000_000;

    @ParameterizedTest(name = "packed={0}, queues={1}, {2} kills")
    @CsvSource({"false, 2, 20", "true, 2, 20"})
    void guestSurvivesKillsOfAListeningServer(boolean packed, int queues, int kills) {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withPacked(packed).withQueues(queues);
        List<RestartScenario.Outage> outages =
                RestartScenario.run(GatunProgram.require(), spec, kills, System.nanoTime());
        // QEMU looks for a lost server once a second: the time between is not the server's.
        assertAll(outages.stream().map(outage -> () -> {
            long gatunNanos = outage.listening() + outage.answered() - outage.connected();
            assertTrue(gatunNanos <= LIMIT_NANOS, () -> "not back within a second: " + outage);
        }));
    }

    @ParameterizedTest(name = "packed={0}, queues={1}, {2} kills")
    @CsvSource({"false, 2, 6", "true, 1, 6"})
    void serviceIsBackWithinASecondWhereGatunConnects(boolean packed, int queues, int kills) {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE)
                .withPacked(packed)
                .withQueues(queues)
                .withServerConnecting();
        List<RestartScenario.Outage> outages =
                RestartScenario.run(GatunProgram.require(), spec, kills, System.nanoTime());
        assertAll(outages.stream().map(outage -> () ->
                assertTrue(outage.answered() <= LIMIT_NANOS, () -> "not back within a second: " + outage)));
    }
}
