package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.testkit.TestpmdSpec.RingKind;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** testpmd against itself: the lab works, whatever Gatun does. */
@RequiresPeer(Peer.TESTPMD)
class TestpmdTest {
    @ParameterizedTest
    @CsvSource({"false, true, 1", "true, false, 2"})
    void driverGetsItsPacketsBack(boolean packed, boolean driverListens, int queues) {
        try (Lab.Workspace folder = Lab.workspace()) {
            TestpmdSpec device =
                    TestpmdSpec.device(folder.path("net.sock")).withListening(!driverListens).withQueues(queues);
            TestpmdSpec driver = TestpmdSpec.driver(folder.path("net.sock"))
                    .withListening(driverListens)
                    .withRings(new RingKind(packed, false, true, false))
                    .withQueues(queues);
            try (Testpmd first = Testpmd.start(driverListens ? driver : device);
                    Testpmd second = Testpmd.start(driverListens ? device : driver)) {
                first.awaitReady().forward();
                second.awaitReady().forward();
                Testpmd driving = driverListens ? first : second;
                Testpmd.Statistics seen = driving.awaitReceived(100_000, Duration.ofSeconds(30));
                assertEquals(0, seen.errors());
                second.quit();
                first.quit();
            }
        }
    }
}
