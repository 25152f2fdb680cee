package io.gatun.pmd.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.pmd.Drop;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.bridge.Bridge;
import io.gatun.pmd.bridge.BridgeOptions;
import io.gatun.pmd.bridge.BridgePortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vring.VirtioFeatures;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A guest that sends as fast as it can what is no packet, with headers of random bytes, at the side of two others that
 * exchange packets through the same switch: they lose none.
 */
@Timeout(120)
class GarbageHeadersTest {
    private static final int A = 1;
    private static final int B = 2;
    private static final int BAD = 3;

    /** 01-80-C2-00-00-01, as it lies in memory: no switch forwards it, so that what passes for a packet ends there. */
    private static final long NOBODY = 0x0100_00c2_8001L;

    private static final long RUN_NANOS = TimeUnit.MILLISECONDS.toNanos(400);
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);
    private static final int WINDOW = 64;
    private static final int TRIES = 4;

    /** The two cores of a small machine serve three threads. */
    private static final double LEAST_SHARE = 0.3;

    @TempDir
    Path folder;

    /** A guest's thread that transmits without pause. */
    private static final class Noise implements Runnable {
        final FrontEnd guest;
        private final Random random = new Random(42);
        volatile boolean garbage;
        volatile boolean stopped;
        volatile Throwable failure;

        Noise(FrontEnd guest) {
            this.guest = guest;
        }

        @Override
        public void run() {
            try {
                while (!stopped) {
                    long at;
                    for (int i = 0; i < 32 && (at = guest.room()) != 0; i++) {
                        int bytes = garbage ? rubbish(at) : FrontEnd.write(at, BAD, BAD, i);
                        Memory.putInt(at + NetHeader.BYTES, (int) NOBODY);
                        Memory.putShort(at + NetHeader.BYTES + Integer.BYTES, (int) (NOBODY >>> Integer.SIZE));
                        guest.transmit(at, bytes);
                    }
                    guest.flush();
                }
            } catch (Throwable t) {
                failure = t;
            }
        }

        /** Random bytes of a random length, mostly with a header that asks for something. */
        private int rubbish(long at) {
            int bytes = 1 + random.nextInt(FrontEnd.BUFFER_BYTES);
            for (int i = 0; i < Math.min(bytes, 64); i += Long.BYTES) {
                Memory.putLong(at + i, random.nextLong());
            }
            if (random.nextBoolean()) {
                Memory.putByte(at, (byte) NetHeader.F_NEEDS_CSUM);
            }
            return bytes;
        }
    }

    @ParameterizedTest(name = "packed={0}")
    @ValueSource(booleans = {false, true})
    void garbageHurtsNobodyElse(boolean packed) throws InterruptedException {
        long without = packed ? 0 : VirtioFeatures.RING_PACKED;
        try (ControlLoop loop = ControlLoop.start();
                Reactor reactor = Reactor.start("switch", -1, Reactor.IdlePolicy.ADAPTIVE);
                VhostPort a = port("a", loop, reactor);
                VhostPort b = port("b", loop, reactor);
                VhostPort bad = port("bad", loop, reactor);
                Bridge bridge = new Bridge("br0", BridgeOptions.DEFAULT)) {
            for (VhostPort port : List.of(a, b, bad)) {
                assertEquals(port.name(), bridge.addPort(port, BridgePortOptions.DEFAULT).toString());
            }
            try (FrontEnd guestA = new FrontEnd(folder.resolve("a"), without);
                    FrontEnd guestB = new FrontEnd(folder.resolve("b"), without);
                    FrontEnd guestBad = new FrontEnd(folder.resolve("bad"), without)) {
                while (!(a.linkUp() && b.linkUp() && bad.linkUp())) {
                    LockSupport.parkNanos(100_000);
                }
                Noise noise = new Noise(guestBad);
                Thread thread = Thread.ofPlatform().daemon().start(noise);
                try {
                    compare(guestA, guestB, noise);
                } finally {
                    noise.stopped = true;
                    thread.join();
                }
                assertNull(noise.failure);
                assertFalse(guestBad.transmitq.driver().isBroken());
                assertTrue(guestBad.device.isConnected());
                long refused = bad.rxQueues().getFirst().counters().dropped(Drop.BAD_HEADER);
                assertTrue(refused > 10_000, () -> "bad headers: " + refused);
                assertNull(bad.backend().rings().get(1).broken());
                assertEquals(0, bad.rxQueues().getFirst().counters().dropped(Drop.LINK_DOWN));
            }
        }
    }

    private VhostPort port(String name, ControlLoop loop, Reactor reactor) {
        return VhostPort.listen(name, loop, folder.resolve(name), VhostPortOptions.DEFAULTS, List.of(reactor));
    }

    /** Good packets from the third against garbage: whatever else the machine does may disturb one of the two. */
    private static void compare(FrontEnd a, FrontEnd b, Noise noise) {
        double warmUp = packetsPerSecond(a, b);
        assertTrue(warmUp > 0);
        for (int i = 1; ; i++) {
            noise.garbage = false;
            double before = packetsPerSecond(a, b);
            noise.garbage = true;
            double beside = packetsPerSecond(a, b);
            System.out.printf(
                    "two guests exchange %.0f packets/s beside a third that sends, %.0f if it sends garbage%n",
                    before, beside);
            if (beside > LEAST_SHARE * before) {
                return;
            }
            assertTrue(i < TRIES, () -> beside + " after " + before);
        }
    }

    /** From a to b, at most a window of packets at a time; each of them comes, and in order. */
    private static double packetsPerSecond(FrontEnd a, FrontEnd b) {
        // The switch learns where both are.
        b.post();
        a.post();
        sendOne(b, A, B);
        sendOne(a, B, A);
        drain(a);
        drain(b);
        long sent = 0;
        long received = 0;
        long start = System.nanoTime();
        long last = start;
        while (System.nanoTime() - start < RUN_NANOS || received < sent) {
            long at;
            while (sent - received < WINDOW && System.nanoTime() - start < RUN_NANOS && (at = a.room()) != 0) {
                a.transmit(at, FrontEnd.write(at, B, A, sent++));
            }
            a.flush();
            for (long packet = b.receive(); packet != 0; packet = b.receive()) {
                assertEquals(64, b.receivedBytes());
                assertEquals(received++, Memory.getLong(packet + 16));
                last = System.nanoTime();
            }
            b.post();
            assertTrue(System.nanoTime() - last < PATIENCE_NANOS, "a packet was lost");
        }
        return received * 1e9 / (System.nanoTime() - start);
    }

    private static void sendOne(FrontEnd guest, int target, int source) {
        long at = guest.room();
        guest.transmit(at, FrontEnd.write(at, target, source, -1));
        guest.flush();
    }

    private static void drain(FrontEnd guest) {
        long quiet = System.nanoTime() + 20_000_000;
        while (System.nanoTime() < quiet) {
            while (guest.receive() != 0) {}
            guest.post();
        }
    }
}
