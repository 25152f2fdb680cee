package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixSocketTest {
    private final int fdsBefore = Fd.openCount();
    private final int mappingsBefore = Mapping.openCount();
    private UnixSocket left;
    private UnixSocket right;
    private Mapping buffer;

    @BeforeEach
    void connect() {
        UnixSocket[] pair = UnixSocket.pair();
        left = pair[0];
        right = pair[1];
        buffer = Mapping.anonymous(1 << 20);
    }

    @AfterEach
    void nothingLeaks() {
        left.close();
        right.close();
        buffer.close();
        assertEquals(fdsBefore, Fd.openCount());
        assertEquals(mappingsBefore, Mapping.openCount());
    }

    @Test
    void carriesBytes() {
        int[] fds = new int[4];
        assertEquals(-Errno.EAGAIN, right.receive(buffer.address(), 16, fds));
        Memory.putLong(buffer.address(), 42);
        assertEquals(8, left.send(buffer.address(), 8, null, 0));
        assertEquals(8, right.receive(buffer.address() + 64, 16, fds));
        assertEquals(42, Memory.getLong(buffer.address() + 64));
        assertEquals(0, right.receivedFds());
        assertFalse(right.descriptorsLost());
    }

    @Test
    void carriesDescriptorsWithTheirMessage() {
        try (EventFd event = EventFd.create()) {
            int[] fds = new int[UnixSocket.MAX_FDS];
            assertEquals(1, left.send(buffer.address(), 1, null, 0));
            assertEquals(1, left.send(buffer.address(), 1, new int[] {event.fd().value()}, 1));
            assertEquals(1, left.send(buffer.address(), 1, null, 0));
            int bytes = right.receiveFully(buffer.address(), 3, fds, 100);
            assertEquals(3, bytes);
            assertEquals(1, right.receivedFds());
            assertNotEquals(event.fd().value(), fds[0]);
            try (Fd received = Fd.owning(fds[0])) {
                assertTrue(isCloseOnExec(received.value()));
                assertEquals(0, EventFd.signal(received.value()));
                assertEquals(1, event.drain());
            }
        }
    }

    @Test
    void carriesThirtyTwoDescriptors() {
        try (EventFd event = EventFd.create()) {
            int[] sent = new int[UnixSocket.MAX_FDS];
            java.util.Arrays.fill(sent, event.fd().value());
            assertEquals(4, left.send(buffer.address(), 4, sent, sent.length));
            int[] fds = new int[UnixSocket.MAX_FDS];
            assertEquals(4, right.receive(buffer.address(), 16, fds));
            assertEquals(UnixSocket.MAX_FDS, right.receivedFds());
            assertFalse(right.descriptorsLost());
            for (int fd : fds) {
                assertEquals(0, Fd.closeRaw(fd));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> left.send(buffer.address(), 1, new int[33], 33));
    }

    @Test
    void descriptorsThatDoNotFitAreClosedAndReported() {
        try (EventFd event = EventFd.create()) {
            int before = Fd.openCount();
            int fd = event.fd().value();
            assertEquals(4, left.send(buffer.address(), 4, new int[] {fd, fd, fd}, 3));
            int[] fds = new int[1];
            assertEquals(4, right.receive(buffer.address(), 16, fds));
            assertEquals(1, right.receivedFds());
            assertTrue(right.descriptorsLost());
            assertEquals(0, Fd.closeRaw(fds[0]));
            assertEquals(4, left.send(buffer.address(), 4, new int[] {fd}, 1));
            assertEquals(4, right.receive(buffer.address(), 16, null));
            assertTrue(right.descriptorsLost());
            assertEquals(before, Fd.openCount());
        }
    }

    @Test
    void aFullSocketIsNotAnError() {
        int sent = 0;
        int result;
        while ((result = left.send(buffer.address(), 1 << 16, null, 0)) > 0) {
            sent += result;
        }
        assertEquals(-Errno.EAGAIN, result);
        assertEquals(-Errno.ETIMEDOUT, left.sendFully(buffer.address(), 1, null, 0, 1));
        assertEquals(sent, right.receiveFully(buffer.address(), sent, null, 100));
        assertEquals(-Errno.ETIMEDOUT, right.receiveFully(buffer.address(), 1, null, 1));
    }

    @Test
    void aClosedPeerIsAnEndAndNotASignal() {
        right.close();
        assertEquals(0, left.receive(buffer.address(), 1, null));
        assertEquals(-Errno.EPIPE, left.send(buffer.address(), 1, null, 0));
    }

    @Test
    void shutdownEndsBothSides() {
        assertEquals(0, left.shutdown());
        assertEquals(0, left.receive(buffer.address(), 1, null));
        assertEquals(0, right.receive(buffer.address(), 1, null));
    }

    @Test
    void knowsItsPeer() {
        UnixSocket.Peer peer = left.peer();
        assertEquals(ProcessHandle.current().pid(), peer.processId());
    }

    @Test
    void listensConnectsAndCleansUp(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("disk.sock");
        try (UnixListener listener = UnixListener.listen(path.toString())) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            assertNull(listener.accept());
            try (UnixSocket client = UnixSocket.connect(path.toString());
                    UnixSocket server = listener.accept()) {
                assertNotNull(server);
                assertEquals(8, client.sendFully(buffer.address(), 8, null, 0, 100));
                assertEquals(8, server.receiveFully(buffer.address(), 8, null, 100));
            }
        }
        assertFalse(Files.exists(path));
        LinuxException nobody = assertThrows(LinuxException.class, () -> UnixSocket.connect(path.toString()));
        assertEquals(Errno.ENOENT, nobody.errno());
    }

    @Test
    void refusesALiveSocketAndReplacesAStaleOne(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("disk.sock");
        UnixListener dead = UnixListener.listen(path.toString());
        LinuxException live = assertThrows(LinuxException.class, () -> UnixListener.listen(path.toString()));
        assertEquals(Errno.EADDRINUSE, live.errno());
        // As a killed process leaves it: the descriptor is gone, the file is not.
        dead.fd().close();
        assertTrue(Files.exists(path));
        try (UnixListener successor = UnixListener.listen(path.toString())) {
            assertNull(successor.accept());
            dead.close();
            assertTrue(Files.exists(path), "a predecessor's close must not remove its successor's file");
        }
        Files.writeString(path, "data");
        assertThrows(LinuxException.class, () -> UnixListener.listen(path.toString()));
        assertEquals("data", Files.readString(path));
    }

    @Test
    void saysHowLongAPathMayBe() {
        LinuxException e = assertThrows(LinuxException.class, () -> UnixListener.listen("/tmp/" + "x".repeat(103)));
        assertEquals(Errno.ENAMETOOLONG, e.errno());
        assertTrue(e.getMessage().contains("107"), e.getMessage());
    }

    private static boolean isCloseOnExec(int fd) {
        return (Fd.control(fd, 1, 0) & 1) != 0;
    }
}
