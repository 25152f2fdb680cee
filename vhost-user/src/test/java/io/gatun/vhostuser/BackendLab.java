package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.reactor.Reactor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** One control loop, two reactors, two devices at two sockets, and the counts that prove that nothing leaks. */
final class BackendLab implements AutoCloseable {
    private final int fdsBefore;
    private final int mappingsBefore;
    final Path folder;
    final ControlLoop loop;
    final List<Reactor> reactors;
    final TestDevice device = new TestDevice(2);
    final TestDevice neighbour = new TestDevice(1);
    final VhostUserBackend backend;
    final VhostUserBackend neighbourBackend;
    private final int fdsIdle;
    private final int mappingsIdle;

    BackendLab() {
        this(BackendOptions.DEFAULT);
    }

    BackendLab(BackendOptions options) {
        WarmUp.run();
        fdsBefore = Fd.openCount();
        mappingsBefore = Mapping.openCount();
        try {
            folder = Files.createTempDirectory("gatun");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        loop = ControlLoop.start();
        reactors = List.of(
                Reactor.start("lab-0", -1, Reactor.IdlePolicy.ADAPTIVE),
                Reactor.start("lab-1", -1, Reactor.IdlePolicy.ADAPTIVE));
        backend = VhostUserBackend.listen(loop, folder.resolve("a.sock"), device, reactors, options);
        neighbourBackend = VhostUserBackend.listen(loop, folder.resolve("b.sock"), neighbour, reactors, options);
        fdsIdle = Fd.openCount();
        mappingsIdle = Mapping.openCount();
    }

    /** Class loading opens files: a first lab, whose counts nobody looks at, gets that over with. */
    private static final class WarmUp {
        private static boolean done;

        static synchronized void run() {
            if (done) {
                return;
            }
            done = true;
            BackendLab lab = new BackendLab();
            try (TestGuest guest = TestGuest.connect(lab.backend.socket())) {
                guest.setUp(0, 8);
                guest.exchange(0);
            }
            lab.shutDown();
        }
    }

    /** Waits until what a connection held is released: every descriptor and mapping of it. */
    void assertReleased() {
        await("release of descriptors and mappings", () -> !backend.connected()
                && !neighbourBackend.connected()
                && Fd.openCount() <= fdsIdle
                && Mapping.openCount() <= mappingsIdle);
        assertEquals(0, device.openHandlers.get(), "handlers");
    }

    /** Proves that another device of the same process is served, whatever happened to the first one. */
    void assertNeighbourServes() {
        try (TestGuest other = TestGuest.connect(neighbourBackend.socket())) {
            other.setUp(0, 8);
            other.exchange(0);
        }
    }

    static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(5).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited too long for: " + what);
            }
            LockSupport.parkNanos(500_000);
        }
    }

    @Override
    public void close() {
        shutDown();
        await("descriptors", () -> Fd.openCount() <= fdsBefore);
        assertEquals(mappingsBefore, Mapping.openCount(), "mappings");
        assertFalse(device.memoryFault || neighbour.memoryFault, "memory went that was in use, or never came");
    }

    private void shutDown() {
        backend.close();
        neighbourBackend.close();
        reactors.forEach(Reactor::close);
        loop.close();
        try {
            Files.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("a socket was left behind", e);
        }
    }
}
