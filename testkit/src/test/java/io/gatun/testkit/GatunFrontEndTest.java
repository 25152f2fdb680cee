package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a virtio-user port tells DPDK's vhost library besides packets: its MTU, and where its address is. */
@RequiresPeer(Peer.TESTPMD)
@Timeout(120)
class GatunFrontEndTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int DPDK_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);
    private static final String MAC = "52:54:00:12:34:56";

    @Test
    void dpdkHearsTheMtuAndAfterAReconnectTheAddress() {
        try (Lab.Workspace folder = Lab.workspace();
                SwitchServer server = SwitchServer.of(GatunProgram.require())) {
            Path socket = folder.path("dpdk.sock");
            server.port("virtio-user:u", "socket=" + socket, "mtu=9000", "mac=" + MAC, "hugepages=off")
                    .start();
            try (Testpmd first = device(socket)) {
                awaitLink(server, "up");
                JsonNode port = server.portInfo("u");
                assertEquals(9000, port.get("mtu").asInt());
                assertEquals(MAC, port.at("/driver_specific/mac").asText());
                assertMtu(first);
                assertEquals(0, first.statistics().received(), "nobody has moved");
                first.process().kill();
            }
            awaitLink(server, "down");
            try (Testpmd next = device(socket)) {
                // A reverse ARP request (RFC 903), which DPDK makes where packets from the driver would come.
                String request = "src=" + MAC.toUpperCase(Locale.ROOT) + " - dst=FF:FF:FF:FF:FF:FF";
                next.process()
                        .output()
                        .await("the announcement", 0, l -> l.contains(request) && l.contains("type=0x8035"), PATIENCE);
                assertMtu(next);
                next.quit();
            }
        }
    }

    /** Shows the header of each packet that comes. */
    private static Testpmd device(Path socket) {
        TestpmdSpec spec = TestpmdSpec.device(socket).withForward("rxonly").withCore(DPDK_CORE);
        return Testpmd.start(spec).awaitReady().command("set verbose 1", "verbose level").forward();
    }

    private static void assertMtu(Testpmd device) {
        device.command("show port info 0", "MTU: 9000");
    }

    private static void awaitLink(SwitchServer server, String link) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!server.portInfo("u").get("link").asText().equals(link)) {
            assertTrue(System.nanoTime() < deadline, () -> "the link is not " + link + ": " + server.portInfo("u"));
            LockSupport.parkNanos(5_000_000);
        }
    }
}
