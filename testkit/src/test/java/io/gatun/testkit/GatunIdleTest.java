package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What an attached guest that asks for nothing costs. */
@RequiresPeer(Peer.GUEST)
class GatunIdleTest {
    private static final Duration IDLE = Duration.ofSeconds(10);
    private static final Duration STEP = Duration.ofSeconds(90);

    @Test
    void idleGuestCostsNextToNothing() {
        double percent = cpuPercentWithIdleGuest(DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2));
        assertTrue(percent < 2, () -> "an idle Gatun used " + percent + " % of a core");
    }

    @Test
    void pollOptionSpins() {
        double percent = cpuPercentWithIdleGuest(
                DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2).withPolling());
        assertTrue(percent > 50, () -> "Gatun with --poll used only " + percent + " % of a core");
    }

    private static double cpuPercentWithIdleGuest(DiskSpec spec) {
        try (DiskServer server = DiskServer.start(GatunProgram.require(), spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            // Not merely never used: idle again after work, with the compiler's work done too.
            guest.run("write_read vda", STEP);
            guest.run("idle 2", STEP);
            ProcessUsage before = server.process().usage();
            long start = System.nanoTime();
            guest.run("idle " + IDLE.toSeconds(), STEP);
            ProcessUsage after = server.process().usage();
            double percent = after.cpuPercentSince(before, Duration.ofNanos(System.nanoTime() - start));
            System.out.printf("idle guest (%s): %.2f %% of a core%n", spec, percent);
            guest.powerOff();
            return percent;
        }
    }
}
