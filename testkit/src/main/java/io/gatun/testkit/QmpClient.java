package io.gatun.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A client of the QEMU Machine Protocol (QEMU, docs/interop/qmp-spec): one command at a time, one JSON object per line.
 *
 * <p><b>Thread-safety:</b> one command at a time; methods are synchronized.
 */
public final class QmpClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration TIMEOUT = Duration.ofSeconds(20);

    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer received = ByteBuffer.allocate(1 << 20);
    private final List<String> events = new ArrayList<>();

    private QmpClient(SocketChannel channel, Selector selector) {
        this.channel = channel;
        this.selector = selector;
    }

    /** Connects and leaves the negotiation mode. */
    static QmpClient connect(Path socket) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            Selector selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
            QmpClient client = new QmpClient(channel, selector);
            client.readMessage();
            client.execute("qmp_capabilities");
            return client;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot connect to QMP at " + socket, e);
        }
    }

    /** Runs a command without arguments and gives what it returns. */
    public JsonNode execute(String command) {
        return execute(command, Map.of());
    }

    /** Runs a command and gives what it returns. @throws AssertionError if QEMU refuses it, with QEMU's words */
    public synchronized JsonNode execute(String command, Map<String, ?> arguments) {
        ObjectNode message = JSON.createObjectNode().put("execute", command);
        if (!arguments.isEmpty()) {
            message.set("arguments", JSON.valueToTree(arguments));
        }
        try {
            ByteBuffer bytes = ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            while (true) {
                JsonNode answer = readMessage();
                if (answer.has("error")) {
                    throw new AssertionError("QMP " + message + ": " + answer.get("error"));
                }
                if (answer.has("return")) {
                    return answer.get("return");
                }
                events.add(answer.path("event").asText());
            }
        } catch (IOException e) {
            throw new UncheckedIOException("QMP " + command, e);
        }
    }

    /** The names of the events that came while commands were answered. */
    public synchronized List<String> events() {
        return List.copyOf(events);
    }

    @Override
    public synchronized void close() {
        try (channel) {
            selector.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private JsonNode readMessage() throws IOException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (true) {
            for (int i = 0; i < received.position(); i++) {
                if (received.get(i) == '\n') {
                    byte[] line = new byte[i + 1];
                    received.flip().get(line);
                    received.compact();
                    return JSON.readTree(line);
                }
            }
            long leftMillis = (deadline - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0) {
                throw new IOException("no answer in " + TIMEOUT);
            }
            selector.select(leftMillis);
            selector.selectedKeys().clear();
            if (channel.read(received) < 0) {
                throw new IOException("QEMU closed the connection");
            }
        }
    }
}
