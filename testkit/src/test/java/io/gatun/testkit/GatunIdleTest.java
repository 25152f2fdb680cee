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
        Load load = loadOfIdleGuest(DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2));
        assertTrue(load.cpuPercent() < 2, () -> "an idle Gatun: " + load);
    }

    @Test
    void pollOptionSpins() {
        Load load = loadOfIdleGuest(DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2).withPolling());
        assertTrue(load.runnablePercent() > 80, () -> "Gatun with --poll: " + load);
    }

    /** Percent of one core: what was used, and what would have been had no other program been running. */
    private record Load(double cpuPercent, double runnablePercent) {}

    private static Load loadOfIdleGuest(DiskSpec spec) {
        try (DiskServer server = DiskServer.start(GatunProgram.require(), spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            // Not merely never used: idle again after work, with the compiler's work done too.
            guest.run("write_read vda", STEP);
            guest.run("idle 2", STEP);
            ProcessUsage before = server.process().usage();
            long start = System.nanoTime();
            guest.run("idle " + IDLE.toSeconds(), STEP);
            ProcessUsage after = server.process().usage();
            Duration elapsed = Duration.ofNanos(System.nanoTime() - start);
            Load load = new Load(after.cpuPercentSince(before, elapsed), after.runnablePercentSince(before, elapsed));
            System.out.printf("idle guest (%s): %.2f %% of a core used%n", spec, load.cpuPercent());
            guest.powerOff();
            return load;
        }
    }
}
