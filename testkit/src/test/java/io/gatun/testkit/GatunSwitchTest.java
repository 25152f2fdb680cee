package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Two Linux guests through Gatun's switch. */
@RequiresPeer(Peer.GUEST)
class GatunSwitchTest {
    private static final int CSUM = 0;
    private static final int HOST_TSO4 = 11;
    private static final int RING_PACKED = 34;

    /** What the guests are given. */
    record Wiring(boolean packedA, boolean packedB, boolean offloadsA, boolean offloadsB, int queues, int mtu) {
        @Override
        public String toString() {
            return (packedA ? "packed" : "split") + (offloadsA ? "+offloads" : "") + " with "
                    + (packedB ? "packed" : "split") + (offloadsB ? "+offloads" : "") + ", " + queues
                    + " queue pairs, MTU " + mtu;
        }
    }

    static Stream<Wiring> wirings() {
        return Stream.of(
                new Wiring(false, false, true, true, 1, 1500),
                new Wiring(true, true, false, false, 1, 1500),
                new Wiring(true, false, true, true, 4, 9000),
                // Gatun segments and sums for the second what the first left undone.
                new Wiring(false, true, true, false, 1, 1500));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("wirings")
    void guestsTalk(Wiring wiring) {
        long start = System.nanoTime();
        String options = "queues=" + wiring.queues();
        String mtu = "mtu=" + wiring.mtu();
        try (SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a", options, mtu)
                        .vhost("b", options, mtu)
                        .argument("--switch", "br0,ports=a+b")
                        .start();
                GuestPair guests = GuestPair.boot(
                        server,
                        nic -> nic.withQueues(wiring.queues())
                                .withPacked(wiring.packedA())
                                .withOffloads(wiring.offloadsA()),
                        nic -> nic.withQueues(wiring.queues())
                                .withPacked(wiring.packedB())
                                .withOffloads(wiring.offloadsB()))) {
            guests.up(wiring.mtu());
            check(guests.a, wiring, wiring.packedA(), wiring.offloadsA());
            check(guests.b, wiring, wiring.packedB(), wiring.offloadsB());
            guests.ping(50, 56);
            // The largest that is not to be fragmented: with IP and ICMP headers it is the MTU.
            guests.ping(20, wiring.mtu() - 28);
            guests.exchange(wiring.queues());
            long largeFromA = server.sum("a", "rx_queues", "segmented");
            assertEquals(wiring.offloadsA(), largeFromA > 0, "large packets from a: " + largeFromA);
            long largeToB = server.sum("b", "tx_queues", "segmented");
            assertEquals(wiring.offloadsA() && wiring.offloadsB(), largeToB > 0, "large packets to b: " + largeToB);
            if (wiring.queues() > 1) {
                assertTrue(server.busyQueues("a", "rx_queues") > 1, () -> "one queue only: " + server.portInfo("a"));
                assertTrue(server.busyQueues("b", "tx_queues") > 1, () -> "one queue only: " + server.portInfo("b"));
            }
            guests.powerOff();
            System.out.printf(
                    "%s: %d large packets from a, %d to b, %d s%n",
                    wiring, largeFromA, largeToB, Duration.ofNanos(System.nanoTime() - start).toSeconds());
        }
    }

    @Test
    void vlansAreKeptApart() {
        try (SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a")
                        .vhost("b")
                        .vhost("trunk")
                        .argument("--switch", "br0,ports=a+b+trunk,access=a:10+b:20")
                        .start();
                GuestPair guests = GuestPair.boot(
                        server,
                        UnaryOperator.identity(),
                        UnaryOperator.identity(),
                        guest -> guest.modules("virtio_pci", "virtio_net", "8021q"),
                        guest -> guest.nic(GuestNic.at(server.socket("trunk"), "52:54:00:77:00:03")))) {
            guests.up(1500);
            guests.a.run("no_ping " + GuestPair.ADDRESS_B, GuestPair.STEP);
            guests.b.run("vlan_up eth1 10 10.78.0.2/24", GuestPair.STEP);
            guests.a.run("net_up eth0 10.78.0.1/24", GuestPair.STEP);
            guests.a.run("ping 10.78.0.2 20", GuestPair.STEP);
            guests.a.run("ping 10.78.0.2 20 1472", GuestPair.STEP);
            guests.a.run("no_ping " + GuestPair.ADDRESS_B, GuestPair.STEP);
            guests.powerOff();
        }
    }

    /** Neither guest says anything: the switch sleeps, and wakes for the first packet. */
    @Test
    void idleSwitchCostsNextToNothing() {
        try (SwitchServer server = SwitchServer.of(GatunProgram.require())
                        .vhost("a", "queues=2")
                        .vhost("b", "queues=2")
                        .argument("--switch", "br0,ports=a+b")
                        .start();
                GuestPair guests = GuestPair.boot(server, nic -> nic.withQueues(2), nic -> nic.withQueues(2))) {
            guests.up(1500).ping(100, 56);
            guests.exchange(1);
            guests.a.run("idle 2", GuestPair.STEP);
            ProcessUsage before = server.process().usage();
            long start = System.nanoTime();
            guests.a.run("idle 10", GuestPair.STEP);
            ProcessUsage after = server.process().usage();
            double percent = after.cpuPercentSince(before, Duration.ofNanos(System.nanoTime() - start));
            String first = guests.a.run("ping_once " + GuestPair.ADDRESS_B, GuestPair.STEP).value("MILLIS");
            String second = guests.a.run("ping_once " + GuestPair.ADDRESS_B, GuestPair.STEP).value("MILLIS");
            System.out.printf(
                    "idle switch with two guests: %.2f %% of a core; first echo after it %s ms, the next %s ms%n",
                    percent, first, second);
            assertTrue(percent < 2, () -> "an idle switch used " + percent + " %");
            guests.powerOff();
        }
    }

    private static void check(QemuGuest guest, Wiring wiring, boolean packed, boolean offloads) {
        QemuGuest.StepResult info = guest.run("net_info eth0", GuestPair.STEP);
        assertEquals(packed, info.feature(RING_PACKED), "packed ring");
        assertEquals(offloads, info.feature(CSUM), "checksum offload");
        assertEquals(offloads, info.feature(HOST_TSO4), "segmentation offload");
        assertEquals(wiring.queues(), info.number("QUEUES"));
        assertEquals(wiring.mtu(), info.number("MTU"));
        assertEquals(1, info.number("CARRIER"));
    }
}
