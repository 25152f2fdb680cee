package io.gatun.bdev;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What limits let through, on a clock of the test's own. */
class RateLimitTest {
    private static final long MILLI = 1_000_000;

    private static long requestsIn(RateLimit limit, long seconds, long readBytes, long writtenBytes) {
        long start = System.nanoTime();
        long taken = 0;
        for (long now = start; now - start < seconds * 1000 * MILLI; now += MILLI / 10) {
            int admitted = limit.admit(32, now);
            for (int i = 0; i < admitted; i++) {
                limit.charge(readBytes, writtenBytes, now);
            }
            taken += admitted;
        }
        return taken;
    }

    private static void assertNear(long expected, long actual) {
        assertTrue(Math.abs(actual - expected) <= expected / 50 + 64, "expected about " + expected + ", got " + actual);
    }

    @Test
    void noLimitAdmitsEverything() {
        assertEquals(32, new RateLimit(0, 0, 0, 0).admit(32, System.nanoTime()));
    }

    @Test
    void requestsPerSecondAreHeld() {
        assertNear(20_000, requestsIn(new RateLimit(10_000, 0, 0, 0), 2, 4096, 0));
    }

    @Test
    void aSlowLimitStillLetsRequestsThrough() {
        assertNear(20, requestsIn(new RateLimit(10, 0, 0, 0), 2, 4096, 0));
    }

    @Test
    void bytesPerSecondAreHeld() {
        assertNear(2 * 25_600, requestsIn(new RateLimit(0, 100 << 20, 0, 0), 2, 4096, 0));
    }

    @Test
    void readsAndWritesHaveLimitsOfTheirOwn() {
        assertNear(2 * 256, requestsIn(new RateLimit(0, 0, 1 << 20, 0), 2, 4096, 0));
        assertEquals(2 * 10_000 * 32, requestsIn(new RateLimit(0, 0, 1 << 20, 0), 2, 0, 4096));
    }

    @Test
    void aRequestLargerThanTheBurstIsWaitedForAfterwards() {
        RateLimit limit = new RateLimit(0, 1 << 20, 0, 0);
        long now = System.nanoTime();
        assertEquals(8, limit.admit(8, now));
        limit.charge(1 << 20, 0, now);
        assertEquals(0, limit.admit(8, now + 900 * MILLI));
        assertEquals(8, limit.admit(8, now + 1001 * MILLI));
    }

    @Test
    void anIdleTimeIsNotSavedUp() {
        RateLimit limit = new RateLimit(1000, 0, 0, 0);
        assertTrue(limit.admit(1000, System.nanoTime() + 3_600_000 * MILLI) <= 6);
    }

    @Test
    void negativeLimitsAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new RateLimit(-1, 0, 0, 0));
    }
}
