package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What a front-end that offends in a loop can put into the log. */
class ConnectionLogTest {
    private long now = Long.MAX_VALUE - 5;

    @Test
    void aLoopOfConnectionsFillsNoLog() {
        ConnectionLog log = new ConnectionLog("a.sock", () -> now);
        for (int period = 0; period < 3; period++) {
            for (int i = 0; i < ConnectionLog.MAX_LINES; i++) {
                assertTrue(log.mayTell());
            }
            for (int i = 0; i < 1_000; i++) {
                assertFalse(log.mayTell());
            }
            now += ConnectionLog.PERIOD_NANOS;
        }
    }
}
