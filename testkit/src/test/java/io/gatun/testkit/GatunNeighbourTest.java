package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A guest that takes nothing, or floods, on the same switch and the same reactor as two others: they lose no packet and
 * keep a good part of their throughput.
 *
 * <p>The two are {@code x}, where Gatun's own front-end sends and checks what comes back, and {@code y}, whose guest is
 * a port of the same Gatun that sends everything back.
 */
@Timeout(120)
class GatunNeighbourTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int SERVER_CORE = 0;
    private static final int CLIENT_CORE = Math.min(1, Runtime.getRuntime().availableProcessors() - 1);

    /** Nobody is there, and no switch forwards it (IEEE 802.1D §7.12.6). */
    private static final String NOBODY = "01:80:c2:00:00:01";

    /** The address to which x sends, which is where y's guest is. */
    private static final String Y = "02:00:00:00:01:00";

    /** What the neighbour may cost the others: there are two processors for all of them. */
    private static final double LEAST_SHARE = 0.3;

    private static final long MANY = 50_000;
    private static final int TRIES = 4;

    // Counters of the neighbour's port, before it misbehaved.
    private long taken;
    private long down;
    private long lost;

    private static SwitchServer start(String switchOptions) {
        SwitchServer server = SwitchServer.of(GatunProgram.require());
        return server.vhost("x")
                .vhost("y")
                .vhost("bad")
                .port("virtio-user:u", "socket=" + server.socket("y"), "hugepages=off")
                .argument("--loop", "macswap:u")
                .argument("--cores", Integer.toString(SERVER_CORE))
                .argument("--switch", "br0,ports=x+y+bad" + switchOptions)
                .start();
    }

    /** The good pair, measured: what x gets back of what it sends to y. Nothing is lost, and every byte is right. */
    private static double packetsPerSecond(SwitchServer server) {
        JsonNode result = GatunBench.echo(
                server.socket("x"), "--core", Integer.toString(CLIENT_CORE), "--ramp", "0.2", "--time", "0.8");
        assertEquals(0, result.path("faults").asLong(-1), result::toPrettyString);
        assertEquals(0, result.path("lost").asLong(-1), result::toPrettyString);
        return result.path("rx_pps").asDouble();
    }

    /**
     * The pair's throughput while the neighbour behaves and while it does not, one after the other. Whatever else runs
     * on this machine may disturb one of the two, so there are several tries.
     */
    private static void judge(SwitchServer server, String what, Runnable behave, Runnable misbehave) {
        // The first run also compiles the server.
        double ignored = packetsPerSecond(server);
        for (int i = 1; ; i++) {
            behave.run();
            double before = packetsPerSecond(server);
            misbehave.run();
            double beside = packetsPerSecond(server);
            System.out.printf(
                    "two ports exchange %.0f packets/s, and %.0f beside a neighbour that %s%n", before, beside, what);
            if (beside > LEAST_SHARE * before) {
                return;
            }
            assertTrue(i < TRIES, () -> beside + " after " + before);
        }
    }

    private static long drops(SwitchServer server, String queues, String cause) {
        long sum = 0;
        for (JsonNode queue : server.portInfo("bad").get(queues)) {
            sum += queue.get("drops").path(cause).asLong();
        }
        return sum;
    }

    private static void assertUp(SwitchServer server) {
        JsonNode port = server.portInfo("bad");
        assertEquals("up", port.get("link").asText());
        for (JsonNode ring : port.at("/driver_specific/rings")) {
            assertTrue(ring.get("broken").isNull(), port::toString);
        }
    }

    /** DPDK's driver; what it will send goes to {@code target}. */
    private static Testpmd neighbour(SwitchServer server, String target) {
        Testpmd driver = Testpmd.start(
                TestpmdSpec.driver(server.socket("bad")).withForward("rxonly").withCore(CLIENT_CORE));
        driver.awaitReady().process().send("set eth-peer 0 " + target);
        return driver.forward();
    }

    /** It gets a copy of all packets of the others, and from some moment on takes none. */
    @RequiresPeer(Peer.TESTPMD)
    @Test
    void neighbourThatTakesNothing() {
        try (SwitchServer server = start(",mirror=bad");
                Testpmd bad = neighbour(server, NOBODY)) {
            judge(server, "takes nothing", bad.process()::resume, () -> {
                bad.process().suspend();
                taken = server.sum("bad", "tx_queues", "packets");
                down = drops(server, "tx_queues", "link_down");
                lost = drops(server, "tx_queues", "no_buffer");
            });
            // It had room for a ring full of packets; the others went nowhere, and it is known why.
            long full = server.sum("bad", "tx_queues", "packets") - taken;
            assertTrue(full <= 1024, () -> full + " packets for who takes none");
            assertTrue(drops(server, "tx_queues", "no_buffer") > lost + MANY, () -> server.portInfo("bad").toString());
            assertEquals(down, drops(server, "tx_queues", "link_down"));
            assertUp(server);
            bad.process().resume();
            long seen = bad.statistics().received();
            double ignored = packetsPerSecond(server);
            bad.awaitReceived(seen + 1000, PATIENCE);
        }
    }

    /** It sends as fast as it can what no switch forwards. */
    @RequiresPeer(Peer.TESTPMD)
    @Test
    void neighbourThatFloods() {
        try (SwitchServer server = start("");
                Testpmd bad = neighbour(server, NOBODY)) {
            judge(server, "floods", () -> bad.forward("rxonly"), () -> bad.forward("txonly"));
            assertTrue(drops(server, "rx_queues", "refused") > MANY, () -> server.portInfo("bad").toString());
            assertUp(server);
        }
    }

    /** It floods one of the two, within its port's limit. */
    @RequiresPeer(Peer.TESTPMD)
    @Test
    void neighbourThatFloodsOneOfThem() {
        try (SwitchServer server = start(",packet-rate=bad:1000");
                Testpmd bad = neighbour(server, Y)) {
            judge(server, "floods one of them", () -> bad.forward("rxonly"), () -> bad.forward("txonly"));
            assertTrue(drops(server, "rx_queues", "rate") > MANY, () -> server.portInfo("bad").toString());
            // What the limit let through came back to the flooder, who takes nothing in this mode.
            assertTrue(drops(server, "tx_queues", "no_buffer") > 100, () -> server.portInfo("bad").toString());
            assertUp(server);
        }
    }

    /** A Linux guest with the kernel's own packet generator. */
    @RequiresPeer(Peer.GUEST)
    @Test
    void guestThatFloods() {
        try (SwitchServer server = start("");
                QemuGuest bad = GuestPair.start(
                        server,
                        "bad",
                        GuestPair.MAC_A,
                        UnaryOperator.identity(),
                        guest -> guest.modules("virtio_pci", "virtio_net", "pktgen").processors(2))) {
            GuestPair.awaitUp(bad, server);
            bad.run("net_silent", GuestPair.STEP);
            bad.run("net_up eth0 " + GuestPair.ADDRESS_A + "/24", GuestPair.STEP);
            judge(server, "is a guest that floods", () -> bad.run("flood_stop", GuestPair.STEP), () -> {
                bad.run("flood_start eth0 " + NOBODY, GuestPair.STEP);
                lost = drops(server, "rx_queues", "refused");
            });
            long flood = drops(server, "rx_queues", "refused") - lost;
            assertTrue(flood > 1000, () -> "a flood of " + flood);
            assertUp(server);
            bad.run("flood_stop", GuestPair.STEP);
            bad.powerOff();
        }
    }
}
