package io.gatun.vhostuser;

import io.gatun.linux.Errno;
import io.gatun.linux.UnixSocket;
import java.time.Duration;

/**
 * The front-end's end of a connection: sends requests, and waits for replies up to a time.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class FrontendChannel implements AutoCloseable {
    private final String peer;
    private final UnixSocket socket;
    private final MessageReader reader;
    private final MessageWriter writer;
    private final long timeoutNanos;
    private boolean replyAck;

    /**
     * Takes ownership of a connected socket.
     *
     * @param peer the other end, for error texts
     * @param timeout how long any one request or reply may take
     */
    FrontendChannel(String peer, UnixSocket socket, Duration timeout) {
        this.peer = peer;
        this.socket = socket;
        this.reader = new MessageReader(socket);
        this.writer = new MessageWriter(socket);
        this.timeoutNanos = timeout.toNanos();
    }

    String peer() {
        return peer;
    }

    /** Sends a request that has no reply; its descriptors are closed once they are sent. */
    void send(Message request) {
        long deadline = System.nanoTime() + timeoutNanos;
        int result = writer.send(request);
        while (result == 0 && writer.isBlocked()) {
            result = socket.awaitWritable(millisTo(deadline));
            if (result == 0) {
                result = writer.flush();
            }
        }
        if (result == -Errno.ETIMEDOUT) {
            throw new FrontendException(name(request) + ": " + peer + " took nothing for " + timeout());
        }
        if (result < 0) {
            throw new FrontendException(name(request) + ": " + peer + " is gone (" + Errno.name(result) + ")");
        }
    }

    /** Sends a request and waits for its reply, which the caller owns. */
    Message call(Message request) {
        send(request);
        String name = name(request);
        Message reply = receive(timeoutNanos, name);
        if (reply == null) {
            throw new FrontendException(name + ": no reply from " + peer + " within " + timeout());
        }
        if (reply.request() != request.request() || reply.flags() != MessageLayout.REPLY_FLAGS) {
            reply.close();
            throw new FrontendException(String.format(
                    "%s: %s answered with request %d, flags 0x%x, instead of %d, 0x%x",
                    name, peer, reply.request(), reply.flags(), request.request(), MessageLayout.REPLY_FLAGS));
        }
        return reply;
    }

    /** REPLY_ACK was negotiated: {@link #acknowledged} asks for a result from now on. */
    void expectResults() {
        replyAck = true;
    }

    /**
     * Sends a request that has no reply of its own, and waits until the back-end has handled it; throws {@link
     * FrontendException} where it says that it refused.
     */
    void acknowledged(Message request) {
        if (!replyAck) {
            send(request);
            barrier();
            return;
        }
        int flags = request.flags() | MessageLayout.NEED_REPLY;
        Message asking = new Message(request.request(), flags, request.payload(), request.descriptors());
        long error = callForNumber(asking);
        if (error != 0) {
            throw new FrontendException(name(request) + ": " + peer + " refused it (error " + error + ")");
        }
    }

    /** Waits until the back-end has handled everything sent before. */
    void barrier() {
        callForNumber(Message.request(Request.GET_FEATURES));
    }

    /** Sends a request and waits for a reply that carries one number and no descriptor. */
    long callForNumber(Message request) {
        try (Message reply = call(request)) {
            requireSize(reply, MessageLayout.U64_BYTES);
            return reply.u64();
        }
    }

    /** The next message, or null if none comes in time; {@code what} names what is waited for. */
    Message receive(long nanos, String what) {
        long deadline = System.nanoTime() + nanos;
        try {
            while (true) {
                Message message = reader.read();
                if (message != null) {
                    return message;
                }
                if (reader.hasEnded()) {
                    throw new FrontendException(what + ": " + peer + " closed the connection");
                }
                int result = socket.awaitReadable(millisTo(deadline));
                if (result == -Errno.ETIMEDOUT) {
                    return null;
                }
                if (result < 0) {
                    throw new FrontendException(what + ": " + peer + " is gone (" + Errno.name(result) + ")");
                }
            }
        } catch (ProtocolViolation e) {
            throw new FrontendException(what + ": " + peer + " broke the protocol: " + e.getMessage(), e);
        }
    }

    /** Whether the peer still holds its end; does not wait, and is asked between calls, when nothing is due. */
    boolean isConnected() {
        return isConnected(0);
    }

    /** As {@link #isConnected()}, and waits up to a time for the peer to let go. */
    boolean isConnected(int millis) {
        if (socket.awaitReadable(millis) == -Errno.ETIMEDOUT) {
            return true;
        }
        try (Message unasked = reader.read()) {
            return unasked != null || !reader.hasEnded();
        } catch (ProtocolViolation e) {
            return false;
        }
    }

    void requireSize(Message reply, int bytes) {
        if (reply.size() != bytes) {
            throw new FrontendException(String.format(
                    "%s: %s answered with %d bytes instead of %d", name(reply), peer, reply.size(), bytes));
        }
    }

    static String name(Message message) {
        try {
            return RequestRule.of(message.request()).name();
        } catch (ProtocolViolation unknown) {
            return "request " + message.request();
        }
    }

    @Override
    public void close() {
        reader.close();
        writer.close();
        socket.close();
    }

    private String timeout() {
        return timeoutNanos / 1_000_000 + " ms";
    }

    private static int millisTo(long deadline) {
        return Math.clamp((deadline - System.nanoTime() + 999_999) / 1_000_000, 0, Integer.MAX_VALUE);
    }
}
