package io.gatun.daemon.rpc;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.async.ByteArrayFeeder;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.util.TokenBuffer;
import java.io.IOException;
import java.util.function.Consumer;

/**
 * Cuts a stream of bytes into JSON values: as SPDK frames its socket, they follow one another with or without white
 * space, in parts of any size. A syntax error is found where it is, not at a closing bracket that may never come, and
 * cannot be recovered from: nothing says where the next value would begin.
 */
final class RequestReader {
    private final Consumer<JsonNode> values;
    private final int maxBytes;
    private final JsonParser parser;
    private final ByteArrayFeeder feeder;
    private TokenBuffer tokens;
    private int depth;
    private long bytesBefore;

    /**
     * @param values gets every complete value
     * @param maxBytes the most that one value may take
     */
    RequestReader(Consumer<JsonNode> values, int maxBytes) {
        this.values = values;
        this.maxBytes = maxBytes;
        try {
            parser = Json.MAPPER.getFactory().createNonBlockingByteArrayParser();
        } catch (IOException e) {
            throw new IllegalStateException("a parser of bytes in memory needs no I/O", e);
        }
        feeder = (ByteArrayFeeder) parser.getNonBlockingInputFeeder();
    }

    /** Takes the next bytes; throws {@link RpcException} where they are no JSON or too much of it. */
    void feed(byte[] bytes, int length) {
        try {
            feeder.feedInput(bytes, 0, length);
            JsonToken token = parser.nextToken();
            while (token != JsonToken.NOT_AVAILABLE) {
                take(token);
                token = parser.nextToken();
            }
        } catch (IOException e) {
            throw new RpcException(RpcException.PARSE_ERROR, "Parse error: " + firstLine(e));
        }
        if (tokens != null && parser.currentLocation().getByteOffset() - bytesBefore > maxBytes) {
            throw new RpcException(RpcException.INVALID_REQUEST, "Invalid request: more than " + maxBytes + " bytes");
        }
    }

    private void take(JsonToken token) throws IOException {
        if (tokens == null) {
            tokens = new TokenBuffer(parser);
            bytesBefore = parser.currentLocation().getByteOffset();
        }
        tokens.copyCurrentEvent(parser);
        if (token.isStructStart()) {
            depth++;
        } else if (token.isStructEnd()) {
            depth--;
        }
        if (depth == 0) {
            JsonNode value = Json.MAPPER.readTree(tokens.asParser());
            tokens = null;
            values.accept(value);
        }
    }

    private static String firstLine(IOException e) {
        String message = String.valueOf(e.getMessage());
        int end = message.indexOf('\n');
        return end < 0 ? message : message.substring(0, end);
    }
}
