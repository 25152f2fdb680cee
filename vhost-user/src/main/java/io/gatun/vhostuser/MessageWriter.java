package io.gatun.vhostuser;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import java.util.ArrayDeque;

/**
 * Sends messages without waiting; what the socket does not take is kept for {@link #flush}.
 *
 * <p>The caller stops taking requests while something {@linkplain #isBlocked is kept}, so that no peer can make it
 * grow.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class MessageWriter implements AutoCloseable {
    private static final int CHUNK_BYTES = MessageLayout.HEADER_BYTES + MessageLayout.MAX_PAYLOAD_BYTES;

    private final UnixSocket socket;
    private final Mapping buffer = Mapping.anonymous(CHUNK_BYTES);
    private final ArrayDeque<Message> waiting = new ArrayDeque<>();
    private byte[] bytes;
    private int sent;

    MessageWriter(UnixSocket socket) {
        this.socket = socket;
    }

    /**
     * Sends a message, or keeps it; its descriptors are closed once they are sent.
     *
     * @return 0, or {@code -errno} if the peer is gone
     */
    int send(Message message) {
        waiting.add(message);
        return flush();
    }

    /** Goes on with what is kept; 0, or {@code -errno} if the peer is gone. */
    int flush() {
        while (!waiting.isEmpty()) {
            int result = sendFirst();
            if (result == -Errno.EAGAIN) {
                return 0;
            }
            if (result < 0) {
                return result;
            }
        }
        return 0;
    }

    /** Whether something waits for the socket to become writable. */
    boolean isBlocked() {
        return !waiting.isEmpty();
    }

    @Override
    public void close() {
        waiting.forEach(Message::close);
        waiting.clear();
        buffer.close();
    }

    private int sendFirst() {
        Message message = waiting.element();
        if (bytes == null) {
            bytes = message.encode();
            sent = 0;
        }
        Memory.copyFromArray(bytes, 0, buffer.address(), bytes.length);
        int[] fds = message.descriptors().stream().mapToInt(Fd::value).toArray();
        while (sent < bytes.length) {
            // Descriptors go with the first byte and only with it.
            int count = sent == 0 ? fds.length : 0;
            int result = socket.send(buffer.address() + sent, bytes.length - sent, fds, count);
            if (result < 0 && result != -Errno.EINTR) {
                return result;
            }
            sent += Math.max(0, result);
        }
        waiting.remove().close();
        bytes = null;
        return 0;
    }
}
