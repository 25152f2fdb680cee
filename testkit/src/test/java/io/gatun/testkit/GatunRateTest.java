package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A guest that sends as fast as it can, behind a limit in bytes per second: never more, and in time not much less. */
@RequiresPeer(Peer.TESTPMD)
@Timeout(120)
class GatunRateTest {
    private static final int SERVER_CORE = 0;
    private static final int CLIENT_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);
    private static final int PACKET_BYTES = 500;
    private static final long BYTES_PER_SECOND = 20_000_000;

    /** What the meter saves up while nobody sends: 20 ms, and the packet that overdraws it. */
    private static final double SAVED_BYTES = 0.02 * BYTES_PER_SECOND + PACKET_BYTES;

    /** Time during which the server did not run is lost, and two processors are for everything here. */
    private static final double LEAST_SHARE = 0.4;

    private static final long WINDOW_NANOS = 1_000_000_000;
    private static final int TRIES = 5;
    private static final double NANOS = 1e9;

    @Test
    void guestThatFloodsKeepsToItsBytesPerSecond() {
        try (SwitchServer server = SwitchServer.of(GatunProgram.require())) {
            server.vhost("x")
                    .port("null:n", "")
                    .argument("--cores", Integer.toString(SERVER_CORE))
                    .argument("--switch", "br0,ports=x+n,byte-rate=x:" + BYTES_PER_SECOND)
                    .start();
            TestpmdSpec spec = TestpmdSpec.driver(server.socket("x"))
                    .withForward("txonly")
                    .withPacketBytes(PACKET_BYTES)
                    .withCore(CLIENT_CORE);
            try (Testpmd guest = Testpmd.start(spec)) {
                guest.awaitReady().forward();
                judge(server);
                long sent = guest.halt().statistics().sent();
                guest.quit();
                assertAccounted(server, sent);
            }
        }
    }

    private static void judge(SwitchServer server) {
        for (int i = 1; ; i++) {
            long start = System.nanoTime();
            long before = server.sum("n", "tx_queues", "bytes");
            long startInside = System.nanoTime();
            LockSupport.parkNanos(WINDOW_NANOS);
            double inside = (System.nanoTime() - startInside) / NANOS;
            long bytes = server.sum("n", "tx_queues", "bytes") - before;
            double outside = (System.nanoTime() - start) / NANOS;
            System.out.printf("%.0f bytes/s of %d passed%n", bytes / inside, BYTES_PER_SECOND);
            double most = BYTES_PER_SECOND * outside + SAVED_BYTES;
            assertTrue(bytes <= most, () -> bytes + " bytes where " + most + " may pass");
            if (bytes >= LEAST_SHARE * BYTES_PER_SECOND * inside) {
                return;
            }
            assertTrue(i < TRIES, () -> "only " + bytes + " bytes");
        }
    }

    /** Every packet that the guest sent has passed or was dropped for this cause. */
    private static void assertAccounted(SwitchServer server, long sent) {
        JsonNode queue = server.portInfo("x").at("/rx_queues/0");
        long dropped = queue.at("/drops/rate").asLong();
        assertEquals(sent, queue.get("packets").asLong(), queue::toString);
        assertEquals(queue.get("dropped").asLong(), dropped, queue::toString);
        assertEquals(sent - dropped, server.sum("n", "tx_queues", "packets"), queue::toString);
        assertTrue(dropped > sent - dropped, queue::toString);
    }
}
