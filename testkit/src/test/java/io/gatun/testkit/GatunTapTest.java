package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Guests and the host's kernel through Gatun's switch and a TAP port, in a network namespace of its own. */
@RequiresPeer(Peer.GUEST)
class GatunTapTest {
    private static final String HOST = "10.77.0.100";
    private static final Duration STEP = GuestPair.STEP;

    @ParameterizedTest(name = "offloads {0}")
    @ValueSource(booleans = {true, false})
    void guestAndHostTalk(boolean offloads) throws IOException {
        assumeTrue(NetworkNamespace.available(), "needs root and /dev/net/tun");
        String tap = "gatun-k" + ProcessHandle.current().pid() % 100_000;
        try (Lab.Workspace files = Lab.workspace();
                NetworkNamespace host = NetworkNamespace.create();
                SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a")
                        .port("tap:t", "ifname=" + tap, "offloads=" + (offloads ? "on" : "off"))
                        .argument("--switch", "br0,ports=a+t")
                        .start();
                QemuGuest guest = GuestPair.start(
                        server, "a", GuestPair.MAC_A, nic -> nic.withOffloads(offloads), UnaryOperator.identity())) {
            host.take(tap, HOST + "/24");
            GuestPair.awaitUp(guest, server);
            guest.run("net_up eth0 " + GuestPair.ADDRESS_A + "/24", STEP);
            guest.run("ping " + HOST + " 50", STEP);
            host.output("busybox", "ping", "-c", "20", "-i", "0.02", "-q", GuestPair.ADDRESS_A);

            String md5 = guest.run("serve " + GuestPair.MEBIBYTES, STEP).value("MD5");
            String url = "http://" + GuestPair.ADDRESS_A + "/noise";
            assertEquals(md5, md5(host.output("sh", "-c", "busybox wget -q -O - " + url + " | md5sum")));

            noise(files.path("noise"));
            PeerProcess web = host.start("busybox", "httpd", "-f", "-p", "80", "-h", files.folder().toString());
            try {
                String sent = md5(host.output("md5sum", files.path("noise").toString()));
                assertEquals(sent, guest.run("fetch " + HOST, STEP).value("MD5"));
            } finally {
                web.close();
            }
            assertEquals(offloads, server.sum("t", "rx_queues", "segmented") > 0, "large packets from the host");
            assertEquals(offloads, server.sum("a", "rx_queues", "segmented") > 0, "large packets from the guest");
            guest.run("kernel_log", STEP);
            guest.powerOff();
        }
        assertTrue(Files.notExists(Path.of("/sys/class/net", tap)));
    }

    /**
     * One guest's machine is frozen, so that it takes no more packets than its ring has buffers, and flooded by the
     * host; the other's transfer goes on, and so does the guest.
     */
    @Test
    void guestThatTakesNothingHurtsOnlyItself() {
        assumeTrue(NetworkNamespace.available(), "needs root and /dev/net/tun");
        String tap = "gatun-f" + ProcessHandle.current().pid() % 100_000;
        try (NetworkNamespace host = NetworkNamespace.create();
                SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a")
                        .vhost("b")
                        .port("tap:t", "ifname=" + tap)
                        .argument("--switch", "br0,ports=a+b+t")
                        .start();
                GuestPair guests = GuestPair.boot(server, UnaryOperator.identity(), UnaryOperator.identity())) {
            host.take(tap, HOST + "/24");
            guests.up(1500).ping(10, 56);
            host.output("busybox", "ping", "-c", "3", "-i", "0.02", "-q", GuestPair.ADDRESS_B);
            String md5 = guests.a.run("serve " + GuestPair.MEBIBYTES, STEP).value("MD5");
            String fetch = "busybox wget -q -O - http://" + GuestPair.ADDRESS_A + "/noise | md5sum";
            host.output("sh", "-c", fetch);
            long alone = timed(() -> assertEquals(md5, md5(host.output("sh", "-c", fetch))));

            guests.b.process().suspend();
            // The neighbour's address must outlive its silence.
            host.output("ip", "neigh", "replace", GuestPair.ADDRESS_B, "lladdr", GuestPair.MAC_B, "dev", tap);
            // Each of dd's writes is a packet. Bursts fit the queue of the TAP device, which the transfer's own packets
            // need: the port that has to throw away is the guest's.
            String burst = "dd if=/dev/zero bs=1400 count=200 2>/dev/null >/dev/udp/" + GuestPair.ADDRESS_B + "/9";
            PeerProcess flooding = host.start("bash", "-c", "while " + burst + "; do sleep 0.01; done");
            long beside;
            try {
                // Its ring is full, and stays so.
                long deadline = System.nanoTime() + STEP.toNanos();
                while (withoutBuffer(server) < 1000 && System.nanoTime() < deadline) {
                    LockSupport.parkNanos(20_000_000);
                }
                beside = timed(() -> assertEquals(md5, md5(host.output("sh", "-c", fetch))));
            } finally {
                flooding.close();
            }
            long lost = withoutBuffer(server);
            System.out.printf(
                    "64 MiB from a to the host: %d ms alone, %d ms beside b, which is frozen and lost %d packets%n",
                    alone / 1_000_000, beside / 1_000_000, lost);
            assertTrue(lost >= 1000, () -> "b lost " + server.portInfo("b"));
            assertEquals("up", server.portInfo("b").get("link").asText());
            assertTrue(beside < 5 * alone + 2_000_000_000L, "a suffers");

            guests.b.process().resume();
            guests.ping(20, 56);
            guests.powerOff();
        }
    }

    private static long withoutBuffer(SwitchServer server) {
        long sum = 0;
        for (JsonNode queue : server.portInfo("b").get("tx_queues")) {
            sum += queue.get("drops").path("no_buffer").asLong();
        }
        return sum;
    }

    private static long timed(Runnable action) {
        long start = System.nanoTime();
        action.run();
        return System.nanoTime() - start;
    }

    private static String md5(List<String> output) {
        return output.getFirst().split(" ", 2)[0];
    }

    private static void noise(Path file) throws IOException {
        byte[] bytes = new byte[GuestPair.MEBIBYTES << 20];
        new Random(77).nextBytes(bytes);
        Files.write(file, bytes);
    }
}
