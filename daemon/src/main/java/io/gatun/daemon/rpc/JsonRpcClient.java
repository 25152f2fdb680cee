package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.locks.LockSupport;

/**
 * A client of a JSON-RPC socket, Gatun's or SPDK's: one call at a time.
 *
 * <p><b>Thread-safety:</b> for one thread.
 */
public final class JsonRpcClient implements AutoCloseable {
    private static final int BUFFER_BYTES = 64 << 10;
    private static final int MAX_ANSWER_BYTES = 64 << 20;

    /** The pause between two tries to connect to a server whose queue is full. */
    private static final long BUSY_NANOS = 1_000_000;

    private final UnixSocket socket;
    private final int timeoutMillis;
    private final Mapping buffer = Mapping.anonymous(BUFFER_BYTES);
    private final ArrayDeque<JsonNode> answers = new ArrayDeque<>();
    private final RequestReader reader = new RequestReader(answers::add, MAX_ANSWER_BYTES);
    private long lastId;

    private JsonRpcClient(UnixSocket socket, int timeoutMillis) {
        this.socket = socket;
        this.timeoutMillis = timeoutMillis;
    }

    /**
     * Connects.
     *
     * @param timeout how long a call may wait for its answer
     * @throws LinuxException where nobody listens at that path
     */
    public static JsonRpcClient connect(Path socket, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            try {
                return new JsonRpcClient(UnixSocket.connect(socket.toString()), Math.toIntExact(timeout.toMillis()));
            } catch (LinuxException e) {
                // Many clients at once: the server takes the next ones as soon as it has its turn.
                if (e.errno() != Errno.EAGAIN || System.nanoTime() > deadline) {
                    throw e;
                }
                LockSupport.parkNanos(BUSY_NANOS);
            }
        }
    }

    /**
     * Calls a method and returns its result.
     *
     * @param params an object, or {@code null} for none
     * @throws RpcException if the method answers with an error
     * @throws LinuxException if no answer comes
     */
    public JsonNode call(String method, JsonNode params) {
        long id = ++lastId;
        ObjectNode request = JsonNodeFactory.instance
                .objectNode()
                .put("jsonrpc", "2.0")
                .put("id", id)
                .put("method", method);
        if (params != null) {
            request.set("params", params);
        }
        send(Json.line(request), method);
        JsonNode answer = receive(method);
        JsonNode error = answer.get("error");
        if (error != null) {
            throw new RpcException(error.path("code").asInt(), error.path("message").asText());
        }
        return answer.path("result");
    }

    @Override
    public void close() {
        socket.close();
        buffer.close();
    }

    private void send(byte[] bytes, String method) {
        for (int at = 0; at < bytes.length; at += BUFFER_BYTES) {
            int length = Math.min(BUFFER_BYTES, bytes.length - at);
            Memory.copyFromArray(bytes, at, buffer.address(), length);
            int sent = socket.sendFully(buffer.address(), length, null, 0, timeoutMillis);
            if (sent < 0) {
                throw new LinuxException("call " + method, sent, "");
            }
        }
    }

    private JsonNode receive(String method) {
        while (answers.isEmpty()) {
            int length = socket.receive(buffer.address(), BUFFER_BYTES, null);
            if (length == -Errno.EAGAIN) {
                length = socket.awaitReadable(timeoutMillis);
            } else if (length == 0) {
                length = -Errno.ECONNRESET;
            } else if (length > 0) {
                byte[] bytes = new byte[length];
                Memory.copyToArray(buffer.address(), bytes, 0, length);
                reader.feed(bytes, length);
            }
            if (length < 0 && length != -Errno.EINTR) {
                throw new LinuxException("call " + method, length, "is the server still running?");
            }
        }
        return answers.remove();
    }
}
