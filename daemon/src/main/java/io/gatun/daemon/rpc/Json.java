package io.gatun.daemon.rpc;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The one JSON reader and writer of the program, with the bounds that hold for what others send. */
public final class Json {
    /** Deeper nesting is refused: no method's parameters go past three. */
    private static final int MAX_DEPTH = 64;

    private static final int MAX_STRING = 1 << 20;

    public static final ObjectMapper MAPPER = new ObjectMapper(JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxStringLength(MAX_STRING)
                    .maxNumberLength(40)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    private Json() {}

    /** One value in UTF-8, followed by a line feed, as SPDK's server ends its answers. */
    public static byte[] line(JsonNode value) {
        return (compact(value) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** The value on one line. */
    public static String compact(JsonNode value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a JSON tree can always be written", e);
        }
    }

    /**
     * The one value that a text in UTF-8 is: a missing node where it is empty, a failure with the place where something
     * stands behind the value, which would do nothing without a word.
     */
    public static JsonNode document(byte[] text) throws JsonProcessingException {
        try (JsonParser parser = MAPPER.createParser(text)) {
            JsonNode value = MAPPER.readTree(parser);
            boolean atEnd;
            try {
                atEnd = parser.nextToken() == null;
            } catch (JsonParseException noJsonEither) {
                atEnd = false;
            }
            if (!atEnd) {
                throw new JsonParseException(
                        parser, "something stands behind the end of the document; remove it", parser.currentLocation());
            }
            return value == null ? MissingNode.getInstance() : value;
        } catch (JsonProcessingException e) {
            throw e;
        } catch (IOException e) {
            throw new IllegalStateException("bytes in memory need no I/O", e);
        }
    }

    /** What is wrong with a text that is not JSON, without what the parser says of itself. */
    public static String reason(JsonProcessingException e) {
        return e.getOriginalMessage().replaceFirst(" \\(start marker at .*", "");
    }

    /** The value on many lines, for people. */
    public static String pretty(JsonNode value) {
        return value.toPrettyString();
    }
}
