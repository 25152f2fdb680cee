package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A guest that is suspended and goes on while a third port floods it. QEMU stops a suspended guest's rings, by the
 * device's status 0, and starts them again where they stopped.
 */
@RequiresPeer(Peer.GUEST)
class GatunStoppedGuestTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final int TIMES = 2;

    @ParameterizedTest(name = "packed: {0}, {1} queue pairs")
    @CsvSource({"false, 1", "true, 2"})
    void guestGoesOnAfterItWasStoppedUnderFlood(boolean packed, int queues) {
        String option = "queues=" + queues;
        try (SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a", option)
                        .vhost("b", option)
                        .port("null:flood", "size=64", "rate=20000")
                        .argument("--switch", "br0,ports=a+b")
                        .start();
                GuestPair guests = GuestPair.boot(
                        server,
                        nic -> nic.withPacked(packed).withQueues(queues),
                        nic -> nic.withPacked(packed).withQueues(queues))) {
            guests.up(1500).ping(10, 56);
            ObjectNode flood = RpcClient.params().put("name", "br0").put("port", "flood");
            server.rpc().call("switch_add_port", flood);
            for (int i = 0; i < TIMES; i++) {
                stopAndGoOn(guests);
            }
            server.rpc().call("switch_remove_port", flood);
            guests.ping(20, 1400);
            guests.exchange(queues);
            guests.powerOff();
        }
    }

    private static void stopAndGoOn(GuestPair guests) {
        SwitchServer server = guests.server;
        await("b takes what floods it", () -> takesMore(server));
        guests.b.qmp().execute("stop");
        long lost = drops(server, "link_down");
        await("b loses what floods it", () -> drops(server, "link_down") > lost + 1000);
        assertEquals("down", server.portInfo("b").get("link").asText());
        guests.b.qmp().execute("cont");
        await("b takes what floods it, again", () -> takesMore(server));
        for (JsonNode ring : server.portInfo("b").at("/driver_specific/rings")) {
            assertTrue(ring.get("started").asBoolean() && ring.get("broken").isNull(), ring::toString);
        }
        guests.a.run("ping " + GuestPair.ADDRESS_B + " 3", GuestPair.STEP);
    }

    private static boolean takesMore(SwitchServer server) {
        long before = server.sum("b", "tx_queues", "packets");
        LockSupport.parkNanos(50_000_000);
        return server.sum("b", "tx_queues", "packets") > before + 100;
    }

    private static long drops(SwitchServer server, String cause) {
        long sum = 0;
        for (JsonNode queue : server.portInfo("b").get("tx_queues")) {
            sum += queue.get("drops").path(cause).asLong();
        }
        return sum;
    }

    private static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, () -> "waited " + PATIENCE + " until " + what);
            LockSupport.parkNanos(20_000_000);
        }
    }
}
