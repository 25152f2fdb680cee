package io.gatun.vhostuser;

import io.gatun.linux.Fd;
import io.gatun.linux.UnixSocket;

/**
 * The channel on which this end makes requests ({@code SET_BACKEND_REQ_FD}). Only {@code CONFIG_CHANGE_MSG} is sent,
 * without asking for a reply: waiting for one could deadlock with a front-end that waits for us.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only.
 */
final class BackendChannel implements AutoCloseable {
    private final UnixSocket socket;
    private final MessageWriter writer;
    private boolean failed;

    BackendChannel(Fd fd) {
        socket = UnixSocket.owning(fd);
        writer = new MessageWriter(socket);
    }

    /** Says that the configuration changed; while an earlier such message is stuck, that one says it. */
    void configChanged() {
        if (failed) {
            return;
        }
        int result = writer.isBlocked()
                ? writer.flush()
                : writer.send(Message.request(Request.BACKEND_CONFIG_CHANGE_MSG, Message.buffer(0)));
        failed = result < 0;
    }

    @Override
    public void close() {
        writer.close();
        socket.close();
    }
}
