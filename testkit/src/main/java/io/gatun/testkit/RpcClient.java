package io.gatun.testkit;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Calls methods over Gatun's JSON-RPC socket.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
public final class RpcClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final SocketChannel channel;

    /** Made after the first call: a parser waits for its first bytes. */
    private MappingIterator<JsonNode> answers;

    private int id;

    private RpcClient(SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects. */
    public static RpcClient connect(Path socket) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            return new RpcClient(channel);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot connect to " + socket, e);
        }
    }

    /** An empty object, for parameters. */
    public static ObjectNode params() {
        return JSON.createObjectNode();
    }

    /** Calls a method. @throws AssertionError if it answers with an error */
    public JsonNode call(String method, ObjectNode params) {
        ObjectNode request = JSON.createObjectNode().put("jsonrpc", "2.0").put("id", ++id).put("method", method);
        if (!params.isEmpty()) {
            request.set("params", params);
        }
        try {
            ByteBuffer bytes = ByteBuffer.wrap(request.toString().getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            if (answers == null) {
                JsonParser parser = JSON.createParser(Channels.newInputStream(channel));
                answers = JSON.readerFor(JsonNode.class).readValues(parser);
            }
            JsonNode answer = answers.nextValue();
            if (!answer.has("result")) {
                throw new AssertionError(request + " was answered with " + answer);
            }
            return answer.get("result");
        } catch (IOException e) {
            throw new UncheckedIOException(request + " was not answered", e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
