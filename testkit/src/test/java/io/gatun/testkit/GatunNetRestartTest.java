package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Gatun or guests end while packets flow. */
@RequiresPeer(Peer.GUEST)
class GatunNetRestartTest {
    private static final Duration STEP = GuestPair.STEP;
    private static final Duration SERVICE = Duration.ofSeconds(30);
    private static final int KILLS = 3;
    private static final int WARM_UP_CYCLES = 20;
    private static final int CYCLES = 200;

    /**
     * Where Gatun listens, QEMU tries once a second to connect again: that second is QEMU's, so what is judged is the
     * time from when both guests are connected; the time from the start of the process is printed. The guests know each
     * other's address for good: Linux asks for a forgotten one once a second only, which would be measured instead.
     */
    @ParameterizedTest(name = "gatun connects: {0}")
    @ValueSource(booleans = {false, true})
    void trafficResumesByItselfWhenGatunIsKilledAndStarted(boolean connects) {
        SwitchServer server = SwitchServer.of(GatunProgram.require());
        for (String port : new String[] {"a", "b"}) {
            SwitchServer ignored = connects ? server.vhostConnecting(port) : server.vhost(port);
        }
        server.argument("--switch", "br0,ports=a+b");
        UnaryOperator<GuestNic> nic = connects ? GuestNic::withQemuListening : UnaryOperator.identity();
        try (server;
                GuestPair guests = GuestPair.boot(server.start(), nic, nic)) {
            guests.up(1500).ping(10, 56);
            guests.a.run("neighbour " + GuestPair.ADDRESS_B + " " + GuestPair.MAC_B, STEP);
            guests.b.run("neighbour " + GuestPair.ADDRESS_A + " " + GuestPair.MAC_A, STEP);
            guests.a.run("beat_start " + GuestPair.ADDRESS_B, STEP);
            for (int kill = 1; kill <= KILLS; kill++) {
                killOnce(guests, kill);
            }
            guests.a.run("beat_stop", STEP);
            guests.ping(20, 1400);
            guests.powerOff();
        }
    }

    private static void killOnce(GuestPair guests, int kill) {
        LineLog console = guests.a.console();
        awaitBeat(console, console.size());
        guests.server.kill();
        LockSupport.parkNanos(500_000_000);
        int from = console.size();
        long start = System.nanoTime();
        guests.server.start();
        ListeningSockets.awaitConnection(guests.server.socket("a"), guests.server.process(), SERVICE);
        ListeningSockets.awaitConnection(guests.server.socket("b"), guests.server.process(), SERVICE);
        long connected = System.nanoTime();
        long answered = awaitBeat(console, from).timeNanos();
        System.out.printf(
                "  kill %d: connected after %d ms, an echo answered after %d ms%n",
                kill, (connected - start) / 1_000_000, (answered - start) / 1_000_000);
        assertTrue(answered - connected < 1_000_000_000L, "no traffic within a second");
    }

    private static LineLog.Line awaitBeat(LineLog console, int from) {
        return console.await("an echo's answer", from, line -> line.contains(" seq="), SERVICE);
    }

    /** A front-end that comes and goes: the driver's end is a second Gatun. */
    @Test
    void twoHundredFrontEndsThatComeAndGoLeakNothing() throws IOException {
        SwitchServer server =
                SwitchServer.of(GatunProgram.require()).vhost("a").argument("--loop", "macswap:a");
        try (server;
                SwitchServer driver = SwitchServer.of(GatunProgram.require())) {
            server.start();
            driver.start();
            connectAndDisconnect(server, driver, WARM_UP_CYCLES);
            ProcessUsage first = atRest(server);
            long firstKibibytes = residentKibibytes(server);
            connectAndDisconnect(server, driver, CYCLES);
            ProcessUsage last = settled(server, first);
            long lastKibibytes = residentKibibytes(server);
            System.out.printf(
                    "%d connections: descriptors %d to %d, mappings %d to %d, resident %d to %d KiB%n",
                    CYCLES, first.fileDescriptors(), last.fileDescriptors(), first.mappings(), last.mappings(),
                    firstKibibytes, lastKibibytes);
            assertEquals(first.fileDescriptors(), last.fileDescriptors(), "descriptors");
            assertEquals(first.sharedMemoryMappings(), last.sharedMemoryMappings(), "mappings of the driver's memory");
            assertTrue(last.mappings() < first.mappings() + CYCLES / 10, "mappings");
            assertTrue(lastKibibytes < firstKibibytes + (64 << 10), "resident memory");
        }
    }

    /** The link is down before the connection's descriptors are closed: counts them when they stay as they are. */
    private static ProcessUsage atRest(SwitchServer server) throws IOException {
        long deadline = System.nanoTime() + SERVICE.toNanos();
        ProcessUsage before = server.process().usage();
        while (true) {
            LockSupport.parkNanos(200_000_000);
            ProcessUsage now = server.process().usage();
            if (now.fileDescriptors() == before.fileDescriptors() || System.nanoTime() > deadline) {
                return now;
            }
            before = now;
        }
    }

    private static void connectAndDisconnect(SwitchServer server, SwitchServer driver, int times) {
        ObjectNode port = RpcClient.params()
                .put("name", "u")
                .put("socket", server.socket("a").toString());
        for (int i = 0; i < times; i++) {
            driver.rpc().call("port_virtio_user_create", port);
            awaitLink(server, "up");
            driver.rpc().call("port_delete", RpcClient.params().put("name", "u"));
            awaitLink(server, "down");
        }
    }

    private static void awaitLink(SwitchServer server, String state) {
        long deadline = System.nanoTime() + SERVICE.toNanos();
        while (!server.portInfo("a").get("link").asText().equals(state)) {
            assertTrue(System.nanoTime() < deadline, () -> "the link is not " + state + ": " + server.portInfo("a"));
            LockSupport.parkNanos(1_000_000);
        }
    }

    private static long residentKibibytes(SwitchServer server) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + server.process().pid() + "/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void guestThatIsResetRebootedOrKilledLeavesNothingBehind() throws IOException {
        SwitchServer server = SwitchServer.of(GatunProgram.require())
                .vhost("a")
                .vhost("b")
                .argument("--switch", "br0,ports=a+b");
        UnaryOperator<GuestNic> nic = UnaryOperator.identity();
        try (server;
                GuestPair guests = GuestPair.boot(server.start(), nic, nic, QemuGuest.Builder::rebootable)) {
            guests.up(1500).ping(10, 56);
            ProcessUsage first = atRest(server);

            int from = guests.a.console().size();
            guests.a.qmp().execute("system_reset");
            talksAgain(guests, guests.a, from);
            from = guests.a.console().size();
            guests.a.process().send("reboot");
            talksAgain(guests, guests.a, from);
            ProcessUsage rebooted = settled(server, first);
            assertEquals(first.fileDescriptors(), rebooted.fileDescriptors(), "descriptors");
            assertEquals(first.sharedMemoryMappings(), rebooted.sharedMemoryMappings(), "guest memory");

            guests.a.process().kill();
            try (QemuGuest next = GuestPair.startA(server)) {
                GuestPair.awaitUp(next, server);
                talksAgain(guests, next, 0);
                ProcessUsage last = settled(server, first);
                assertEquals(first.fileDescriptors(), last.fileDescriptors(), "descriptors");
                assertEquals(first.sharedMemoryMappings(), last.sharedMemoryMappings(), "guest memory");
                next.powerOff();
            }
        }
    }

    private static void talksAgain(GuestPair guests, QemuGuest a, int from) {
        a.console().await("GUEST-UP", from, line -> line.startsWith("GUEST-UP"), QemuGuest.BOOT_TIMEOUT);
        a.run("net_up eth0 " + GuestPair.ADDRESS_A + "/24", STEP);
        a.run("ping " + GuestPair.ADDRESS_B + " 20", STEP);
        guests.b.run("ping " + GuestPair.ADDRESS_A + " 20", STEP);
    }

    /** What is held once it is as much as before, or after a while. */
    private static ProcessUsage settled(SwitchServer server, ProcessUsage before) {
        long deadline = System.nanoTime() + Duration.ofSeconds(5).toNanos();
        ProcessUsage usage = server.process().usage();
        while (usage.fileDescriptors() != before.fileDescriptors() && System.nanoTime() < deadline) {
            LockSupport.parkNanos(20_000_000);
            usage = server.process().usage();
        }
        return usage;
    }
}
