package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.function.UnaryOperator;

/** Two Linux guests at ports {@code a} and {@code b} of a switch, and what they say to each other. */
final class GuestPair implements AutoCloseable {
    static final Duration STEP = Duration.ofSeconds(90);
    static final String ADDRESS_A = "10.77.0.1";
    static final String ADDRESS_B = "10.77.0.2";
    static final int MEBIBYTES = 64;

    static final String MAC_A = "52:54:00:77:00:01";
    static final String MAC_B = "52:54:00:77:00:02";

    final SwitchServer server;
    final QemuGuest a;
    final QemuGuest b;

    private GuestPair(SwitchServer server, QemuGuest a, QemuGuest b) {
        this.server = server;
        this.a = a;
        this.b = b;
    }

    /** Boots both, without addresses. */
    static GuestPair boot(SwitchServer server, UnaryOperator<GuestNic> nicA, UnaryOperator<GuestNic> nicB) {
        return boot(server, nicA, nicB, UnaryOperator.identity());
    }

    static GuestPair boot(
            SwitchServer server,
            UnaryOperator<GuestNic> nicA,
            UnaryOperator<GuestNic> nicB,
            UnaryOperator<QemuGuest.Builder> both) {
        return boot(server, nicA, nicB, both, UnaryOperator.identity());
    }

    static GuestPair boot(
            SwitchServer server,
            UnaryOperator<GuestNic> nicA,
            UnaryOperator<GuestNic> nicB,
            UnaryOperator<QemuGuest.Builder> both,
            UnaryOperator<QemuGuest.Builder> onlyB) {
        // Side by side: each boots for seconds.
        QemuGuest a = start(server, "a", MAC_A, nicA, both);
        try {
            QemuGuest b = start(server, "b", MAC_B, nicB, builder -> onlyB.apply(both.apply(builder)));
            GuestPair pair = new GuestPair(server, a, b);
            try {
                awaitUp(a, server);
                awaitUp(b, server);
                return pair;
            } catch (AssertionError e) {
                pair.close();
                throw e;
            }
        } catch (AssertionError | RuntimeException e) {
            a.close();
            throw e;
        }
    }

    /** Starts one guest at a port. */
    static QemuGuest start(
            SwitchServer server,
            String port,
            String mac,
            UnaryOperator<GuestNic> nic,
            UnaryOperator<QemuGuest.Builder> builder) {
        GuestNic interfaceOfIts = nic.apply(GuestNic.at(server.socket(port), mac));
        return builder.apply(QemuGuest.builder()
                        .processors(Math.max(1, interfaceOfIts.queues()))
                        .nic(interfaceOfIts))
                .start();
    }

    static QemuGuest startA(SwitchServer server) {
        return start(server, "a", MAC_A, UnaryOperator.identity(), UnaryOperator.identity());
    }

    static void awaitUp(QemuGuest guest, SwitchServer server) {
        try {
            guest.awaitLine("GUEST-UP", line -> line.startsWith("GUEST-UP"), QemuGuest.BOOT_TIMEOUT);
        } catch (AssertionError e) {
            String qemu = guest.process().errors().tail(20);
            throw new AssertionError(e.getMessage() + qemu + "\ngatun said:\n" + server.process().tail(), e);
        }
    }

    /** Gives both an address. */
    GuestPair up(int mtu) {
        a.run("net_up eth0 " + ADDRESS_A + "/24 " + mtu, STEP);
        b.run("net_up eth0 " + ADDRESS_B + "/24 " + mtu, STEP);
        return this;
    }

    void ping(int count, int bytes) {
        a.run("ping " + ADDRESS_B + " " + count + " " + bytes, STEP);
        b.run("ping " + ADDRESS_A + " " + count + " " + bytes, STEP);
    }

    /** Fetches 64 MiB from each other, one after the other. */
    void exchange(int streams) {
        int each = MEBIBYTES / streams;
        assertEquals(a.run("serve " + each, STEP).value("MD5"), b.run("fetch " + ADDRESS_A + " " + streams, STEP)
                .value("MD5"));
        assertEquals(b.run("serve " + each, STEP).value("MD5"), a.run("fetch " + ADDRESS_B + " " + streams, STEP)
                .value("MD5"));
    }

    void powerOff() {
        a.run("kernel_log", STEP);
        b.run("kernel_log", STEP);
        a.powerOff();
        b.powerOff();
    }

    @Override
    public void close() {
        a.close();
        b.close();
    }
}
