package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Gatun is killed under a guest's verified load, again and again, and the guest does not notice. */
@RequiresPeer(Peer.GUEST)
class GatunRestartTest {
    private static final Duration LIMIT = Duration.ofSeconds(1);
    /** QEMU looks for a lost server once a second; what Gatun takes on top of that must be little. */
    private static final Duration RECONNECT_INTERVAL = Duration.ofSeconds(1);

    private static final Duration SLACK = Duration.ofMillis(250);

    @ParameterizedTest(name = "packed={0}, queues={1}, {2} kills")
    @CsvSource({"false, 2, 20", "true, 2, 20"})
    void guestSurvivesKillsOfAListeningServer(boolean packed, int queues, int kills) {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withPacked(packed).withQueues(queues);
        RestartScenario.Outcome outcome = RestartScenario.run(GatunProgram.require(), spec, kills, System.nanoTime());
        Duration limit = RECONNECT_INTERVAL.plus(SLACK);
        assertTrue(outcome.afterListening().compareTo(limit) <= 0, () -> "service was back only after " + outcome);
    }

    @ParameterizedTest(name = "packed={0}, queues={1}, {2} kills")
    @CsvSource({"false, 2, 6", "true, 1, 6"})
    void serviceIsBackWithinASecondWhereGatunConnects(boolean packed, int queues, int kills) {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE)
                .withPacked(packed)
                .withQueues(queues)
                .withServerConnecting();
        RestartScenario.Outcome outcome = RestartScenario.run(GatunProgram.require(), spec, kills, System.nanoTime());
        assertTrue(outcome.afterStart().compareTo(LIMIT) <= 0, () -> "service was back only after " + outcome);
    }
}
