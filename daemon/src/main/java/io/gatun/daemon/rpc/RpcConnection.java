package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.linux.Epoll;
import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;

/**
 * One client of the socket, on the server's thread. Requests are answered in the order they came. A client that does
 * not read its answers keeps them waiting here up to a bound, during which no more is read from it; past it, it is
 * dropped.
 */
final class RpcConnection {
    private static final int MAX_REQUEST_BYTES = 1 << 20;
    /** With this much unsent, the connection's next requests wait in the socket. */
    private static final int PAUSE_BYTES = 256 << 10;
    /** SPDK's bound on one answer. */
    private static final int MAX_UNSENT_BYTES = 32 << 20;

    private final UnixSocket socket;
    private final Mapping buffer;
    private final RpcDispatch dispatch;
    private final Runnable answered;
    private final RequestReader reader = new RequestReader(this::request, MAX_REQUEST_BYTES);
    private final ArrayDeque<CompletableFuture<JsonNode>> answers = new ArrayDeque<>();
    private final ArrayDeque<byte[]> unsent = new ArrayDeque<>();
    private long unsentBytes;
    private int sentOfFirst;
    private boolean endOfRequests;
    private boolean broken;

    /**
     * @param buffer the server's, used only within a call
     * @param answered run when an answer is there to be sent, on whatever thread found it
     */
    RpcConnection(UnixSocket socket, Mapping buffer, RpcDispatch dispatch, Runnable answered) {
        this.socket = socket;
        this.buffer = buffer;
        this.dispatch = dispatch;
        this.answered = answered;
    }

    int fd() {
        return socket.fd().value();
    }

    /** What to wait for next. */
    int interest() {
        boolean read = !endOfRequests && unsentBytes < PAUSE_BYTES;
        return (read ? Epoll.EPOLLIN : 0) | (unsentBytes > 0 ? Epoll.EPOLLOUT : 0);
    }

    /** Whether nothing more is to come, or can. */
    boolean isOver() {
        return broken || (endOfRequests && answers.isEmpty() && unsentBytes == 0);
    }

    void ready(int events) {
        if ((events & Epoll.EPOLLERR) != 0) {
            broken = true;
        }
        if ((events & Epoll.EPOLLIN) != 0 && !endOfRequests) {
            read();
        } else if ((events & Epoll.EPOLLHUP) != 0) {
            // Everything was read, and nobody is left to read an answer.
            broken = true;
        }
        progress();
    }

    /** Sends what has become ready. */
    void progress() {
        while (!answers.isEmpty() && answers.peek().isDone()) {
            JsonNode answer = answers.remove().join();
            if (answer != null) {
                byte[] line = Json.line(answer);
                unsent.add(line);
                unsentBytes += line.length;
            }
        }
        if (unsentBytes > MAX_UNSENT_BYTES) {
            broken = true;
        }
        while (!broken && unsentBytes > 0 && sendSome()) {}
    }

    void close() {
        socket.close();
    }

    private void read() {
        int length = socket.receive(buffer.address(), (int) buffer.lengthBytes(), null);
        if (length == -Errno.EAGAIN || length == -Errno.EINTR) {
            return;
        }
        if (length < 0) {
            broken = true;
            return;
        }
        if (length == 0) {
            endOfRequests = true;
            return;
        }
        byte[] bytes = new byte[length];
        Memory.copyToArray(buffer.address(), bytes, 0, length);
        try {
            reader.feed(bytes, length);
        } catch (RpcException e) {
            // The stream cannot be followed any further: say so, and end it.
            answers.add(CompletableFuture.completedFuture(RpcDispatch.error(null, e)));
            endOfRequests = true;
        }
    }

    private void request(JsonNode value) {
        CompletableFuture<JsonNode> answer = dispatch.answer(value);
        answers.add(answer);
        CompletableFuture<?> _ = answer.whenComplete((_, _) -> answered.run());
    }

    private boolean sendSome() {
        byte[] first = unsent.element();
        int length = Math.min(first.length - sentOfFirst, (int) buffer.lengthBytes());
        Memory.copyFromArray(first, sentOfFirst, buffer.address(), length);
        int sent = socket.send(buffer.address(), length, null, 0);
        if (sent == -Errno.EAGAIN || sent == -Errno.EINTR) {
            return false;
        }
        if (sent < 0) {
            broken = true;
            return false;
        }
        unsentBytes -= sent;
        sentOfFirst += sent;
        if (sentOfFirst == first.length) {
            unsent.remove();
            sentOfFirst = 0;
        }
        return true;
    }
}
