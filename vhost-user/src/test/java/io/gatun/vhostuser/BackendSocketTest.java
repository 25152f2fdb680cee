package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.UnixListener;
import io.gatun.linux.UnixSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Either end may listen; a listener owns its path, a connector never gives up. */
@Timeout(30)
class BackendSocketTest {
    private final BackendLab lab = new BackendLab();
    private final Path path = lab.folder.resolve("c.sock");

    @AfterEach
    void nothingLeaks() throws IOException {
        lab.assertReleased();
        Files.deleteIfExists(path);
        lab.close();
    }

    private VhostUserBackend listen() {
        return VhostUserBackend.listen(lab.loop, path, new TestDevice(1), lab.reactors, BackendOptions.DEFAULT);
    }

    @Test
    void theSocketIsForItsOwnerAloneAndGoesWithTheBackend() throws IOException {
        try (VhostUserBackend backend = listen()) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            assertEquals(path, backend.socket());
            assertFalse(backend.connected());
            assertEquals(1, backend.rings().size());
        }
        assertFalse(Files.exists(path));
    }

    @Test
    void aLiveSocketIsRefusedAndAStaleOneReplaced() throws IOException {
        try (VhostUserBackend backend = listen()) {
            LinuxException refused = assertThrows(LinuxException.class, this::listen);
            assertEquals(Errno.EADDRINUSE, refused.errno());
            assertTrue(refused.getMessage().contains(path.toString()), refused.getMessage());
            try (TestGuest guest = TestGuest.connect(backend.socket())) {
                guest.setUp(0, 8);
                guest.exchange(0);
                assertThrows(LinuxException.class, this::listen);
                guest.exchange(0);
            }
        }
        UnixListener left = UnixListener.listen(path.toString());
        left.fd().close();
        assertTrue(Files.exists(path));
        listen().close();
    }

    @Test
    void anImpossiblePathSaysWhatIsWrong() {
        Path nowhere = lab.folder.resolve("no/such/folder.sock");
        LinuxException refused = assertThrows(
                LinuxException.class,
                () -> VhostUserBackend.listen(
                        lab.loop, nowhere, new TestDevice(1), lab.reactors, BackendOptions.DEFAULT));
        assertTrue(refused.getMessage().contains(nowhere.toString()), refused.getMessage());
    }

    @Test
    void connectsToAFrontendThatListensAndAgainAfterItWentAway() throws Exception {
        try (VhostUserBackend backend =
                VhostUserBackend.connect(lab.loop, path, new TestDevice(1), lab.reactors, BackendOptions.DEFAULT)) {
            for (int i = 0; i < 3; i++) {
                Thread.sleep(50);
                long start = System.nanoTime();
                try (UnixListener listener = UnixListener.listen(path.toString());
                        TestGuest guest = new TestGuest(new RawFrontend(accept(listener)))) {
                    assertTrue(System.nanoTime() - start < 1_000_000_000L, "service is back within a second");
                    guest.setUp(0, 8);
                    guest.exchange(0);
                }
                BackendLab.await("the end of session " + i, () -> !backend.connected());
            }
        }
    }

    private static UnixSocket accept(UnixListener listener) {
        UnixSocket[] accepted = new UnixSocket[1];
        BackendLab.await("a connection", () -> {
            accepted[0] = listener.accept();
            return accepted[0] != null;
        });
        return accepted[0];
    }

    @Test
    void manyFrontendsOneAfterTheOther() {
        try (VhostUserBackend backend = listen()) {
            for (int i = 0; i < 30; i++) {
                try (TestGuest guest = TestGuest.connect(backend.socket())) {
                    guest.setUp(0, 8);
                    guest.exchange(0);
                }
            }
            VringCounters counters = backend.rings().getFirst().counters();
            BackendLab.await("all of them", () -> counters.starts() == 30 && counters.chains() == 30);
        }
    }

    @Test
    void anErrorOfTheDeviceIsAnsweredAndEndsTheConnection() {
        TestDevice odd = new TestDevice(1) {
            @Override
            public int writeConfig(int offset, byte[] value, boolean migration) {
                throw new StackOverflowError("a bug");
            }
        };
        try (VhostUserBackend backend =
                        VhostUserBackend.listen(lab.loop, path, odd, lab.reactors, BackendOptions.DEFAULT);
                TestGuest guest = TestGuest.connect(backend.socket())) {
            guest.setUp(0, 8);
            byte[] config = bytes(TestDevice.WRITABLE_BYTE, 1, 0, (byte) 1);
            assertEquals(1, guest.raw.acked(RawFrontend.SET_CONFIG, config));
            guest.raw.assertEnded();
        }
    }

    @Test
    void aDeviceThatCannotTakeAFrontendCostsThatOneOnly() {
        AtomicInteger attempts = new AtomicInteger();
        TestDevice odd = new TestDevice(1) {
            @Override
            public void attached(DeviceEvents deviceEvents, long features) {
                if (attempts.incrementAndGet() == 1) {
                    throw new StackOverflowError("a bug");
                }
                super.attached(deviceEvents, features);
            }
        };
        try (VhostUserBackend backend =
                VhostUserBackend.listen(lab.loop, path, odd, lab.reactors, BackendOptions.DEFAULT)) {
            try (TestGuest guest = TestGuest.connect(backend.socket())) {
                guest.raw.assertEnded();
            }
            try (TestGuest guest = TestGuest.connect(backend.socket())) {
                guest.setUp(0, 8);
                guest.exchange(0);
            }
        }
    }

    @Test
    void refusesDevicesThatTheProtocolCannotCarry() {
        assertThrows(
                IllegalArgumentException.class,
                () -> VhostUserBackend.listen(
                        lab.loop, path, new TestDevice(257), lab.reactors, BackendOptions.DEFAULT));
        assertThrows(
                IllegalArgumentException.class,
                () -> VhostUserBackend.listen(lab.loop, path, new TestDevice(1), List.of(), BackendOptions.DEFAULT));
        assertFalse(Files.exists(path));
    }
}
