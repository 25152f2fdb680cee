package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.UnixListener;
import io.gatun.linux.UnixSocket;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Back-ends that answer wrongly, late or not at all: the front-end says which request failed, against whom and why. */
@Timeout(30)
class FrontendErrorsTest {
    private static final Duration SHORT = Duration.ofMillis(200);
    private static final long OFFERED = ProtocolFeatures.VIRTIO_BIT | 1;

    @TempDir
    Path directory;

    @Test
    void nobodyListens() {
        LinuxException e = assertThrows(
                LinuxException.class, () -> VhostUserFrontend.connect(directory.resolve("none.sock"), SHORT));
        assertTrue(e.getMessage().endsWith("ENOENT; start the server first"), e.getMessage());
    }

    @Test
    void nobodyConnects() {
        Path socket = directory.resolve("ours.sock");
        FrontendException e =
                assertThrows(FrontendException.class, () -> VhostUserFrontend.accept(socket, SHORT));
        assertEquals("no back-end connected to " + socket + " within 200 ms", e.getMessage());
    }

    @Test
    void noReply() {
        assertFails("GET_FEATURES: no reply from PEER within 200 ms", request -> null);
    }

    @Test
    void aReplyToAnotherRequest() {
        assertFails(
                "GET_FEATURES: PEER answered with request 15, flags 0x5, instead of 1, 0x5",
                request -> Message.reply(Request.GET_PROTOCOL_FEATURES, 0));
    }

    @Test
    void aReplyWithTheWrongFlags() {
        assertFails(
                "GET_FEATURES: PEER answered with request 1, flags 0xd, instead of 1, 0x5",
                request -> new Message(1, 0xd, Message.u64(0), java.util.List.of()));
    }

    @Test
    void aReplyOfTheWrongSize() {
        assertFails(
                "GET_FEATURES: PEER answered with 4 bytes instead of 8",
                request -> Message.reply(Request.GET_FEATURES, ByteBuffer.allocate(4)));
    }

    @Test
    void aReplyOfAnotherProtocolVersion() {
        assertFails(
                "GET_FEATURES: PEER broke the protocol: a message has protocol version 2 instead of 1",
                request -> new Message(1, 0x6, Message.u64(0), java.util.List.of()));
    }

    @Test
    void anAcknowledgementThatRefuses() {
        assertFails("SET_BACKEND_REQ_FD: PEER refused it (error 22)", request -> switch (request.request()) {
            case Request.GET_FEATURES -> Message.reply(request.request(), OFFERED);
            case Request.GET_PROTOCOL_FEATURES -> Message.reply(
                    request.request(), ProtocolFeatures.REPLY_ACK | ProtocolFeatures.BACKEND_REQ);
            case Request.SET_BACKEND_REQ_FD -> Message.reply(request.request(), 22);
            default -> null;
        });
    }

    @Test
    void aConnectionThatEnds() {
        assertFails("GET_PROTOCOL_FEATURES: PEER closed the connection", request -> {
            if (request.request() == Request.GET_FEATURES) {
                return Message.reply(request.request(), OFFERED);
            }
            throw new IllegalStateException("hangs up");
        });
    }

    private void assertFails(String expected, Function<Message, Message> script) {
        Path socket = directory.resolve("scripted.sock");
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        try (UnixListener listener = UnixListener.listen(socket.toString())) {
            Thread backend = Thread.ofPlatform().start(() -> answer(listener, script));
            FrontendException e =
                    assertThrows(FrontendException.class, () -> VhostUserFrontend.connect(socket, SHORT));
            assertEquals(expected.replace("PEER", socket.toString()), e.getMessage());
            try {
                backend.join();
            } catch (InterruptedException interrupted) {
                throw new AssertionError(interrupted);
            }
        }
        assertEquals(fds, Fd.openCount(), "descriptors");
        assertEquals(mappings, Mapping.openCount(), "mappings");
    }

    /** Answers requests by the script, until the front-end is gone or the script throws. */
    private static void answer(UnixListener listener, Function<Message, Message> script) {
        UnixSocket socket;
        while ((socket = listener.accept()) == null) {
            Thread.onSpinWait();
        }
        try (UnixSocket ours = socket;
                MessageReader reader = new MessageReader(ours);
                MessageWriter writer = new MessageWriter(ours)) {
            while (!reader.hasEnded()) {
                int ignored = ours.awaitReadable(1000);
                try (Message request = reader.read()) {
                    Message reply = request == null ? null : script.apply(request);
                    if (reply != null) {
                        writer.send(reply);
                    }
                }
            }
        } catch (IllegalStateException hangsUp) {
            // The end of this script.
        } catch (ProtocolViolation e) {
            throw new AssertionError(e);
        }
    }
}
