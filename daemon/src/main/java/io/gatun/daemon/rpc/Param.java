package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.List;
import java.util.UUID;

/**
 * One parameter of a method: its name, type, and whether the method needs it. The same description checks a JSON value
 * and gives a command line's {@code key=value} its JSON type, so the two accept the same things.
 *
 * @param choices what a {@link Type#CHOICE} may be, empty for the others
 */
public record Param(String name, Type type, boolean required, List<String> choices, String description) {

    /** What a parameter may hold; a name is how SPDK's schema calls it. */
    public enum Type {
        STRING("a string"),
        BOOLEAN("true or false"),
        INT32("a whole number from -2147483648 to 2147483647"),
        UINT32("a whole number from 0 to 4294967295"),
        UINT64("a whole number from 0 to 9223372036854775807"),
        UUID("a UUID such as 2b6601ba-eada-44fb-9a83-a20eb9eb9e90"),
        STRINGS("an array of strings"),
        CHOICE("one of");

        private final String accepts;

        Type(String accepts) {
            this.accepts = accepts;
        }
    }

    private static final long UINT32_MAX = 0xffff_ffffL;

    public static Param required(String name, Type type, String description) {
        return new Param(name, type, true, List.of(), description);
    }

    public static Param optional(String name, Type type, String description) {
        return new Param(name, type, false, List.of(), description);
    }

    /** An optional parameter that must be one of these words. */
    public static Param choice(String name, List<String> choices, String description) {
        return new Param(name, Type.CHOICE, false, choices, description);
    }

    /** The value as the method gets it: String, Boolean, Long, UUID or List of String. Throws {@link RpcException}. */
    Object decode(JsonNode value) {
        Object decoded =
                switch (type) {
                    case STRING -> value.isTextual() ? value.textValue() : null;
                    case BOOLEAN -> value.isBoolean() ? value.booleanValue() : null;
                    case INT32 -> number(value, Integer.MIN_VALUE, Integer.MAX_VALUE);
                    case UINT32 -> number(value, 0, UINT32_MAX);
                    case UINT64 -> number(value, 0, Long.MAX_VALUE);
                    case UUID -> value.isTextual() ? uuid(value.textValue()) : null;
                    case STRINGS -> strings(value);
                    case CHOICE -> value.isTextual() && choices.contains(value.textValue()) ? value.textValue() : null;
                };
        if (decoded == null) {
            throw refuse(value.toString());
        }
        return decoded;
    }

    /** The JSON value of what a command line gave for this parameter; throws {@link RpcException}. */
    public JsonNode parse(String text) {
        JsonNodeFactory json = JsonNodeFactory.instance;
        JsonNode value =
                switch (type) {
                    case STRING, UUID, CHOICE -> TextNode.valueOf(text);
                    case BOOLEAN -> truth(text);
                    case INT32, UINT32, UINT64 -> digits(text);
                    case STRINGS -> {
                        ArrayNode array = json.arrayNode();
                        for (String item : text.split(",", -1)) {
                            array.add(item);
                        }
                        yield array;
                    }
                };
        decode(value);
        return value;
    }

    /** What this parameter accepts, in words. */
    public String accepts() {
        return type == Type.CHOICE ? type.accepts + " " + String.join(", ", choices) : type.accepts;
    }

    private RpcException refuse(String value) {
        return RpcException.invalidParameters(name + "=" + value + ": expected " + accepts());
    }

    private JsonNode truth(String text) {
        return switch (text) {
            case "true", "on", "yes", "1" -> BooleanNode.TRUE;
            case "false", "off", "no", "0" -> BooleanNode.FALSE;
            default -> throw refuse(text);
        };
    }

    private JsonNode digits(String text) {
        try {
            return LongNode.valueOf(Long.decode(text));
        } catch (NumberFormatException e) {
            throw refuse(text);
        }
    }

    private static Long number(JsonNode value, long min, long max) {
        if (!value.isIntegralNumber() || !value.canConvertToLong()) {
            return null;
        }
        long number = value.longValue();
        return number >= min && number <= max ? (Long) number : null;
    }

    private static UUID uuid(String text) {
        try {
            UUID uuid = java.util.UUID.fromString(text);
            return uuid.toString().equalsIgnoreCase(text) ? uuid : null;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static List<String> strings(JsonNode value) {
        if (!value.isArray()) {
            return null;
        }
        for (JsonNode item : value) {
            if (!item.isTextual()) {
                return null;
            }
        }
        return value.valueStream().map(JsonNode::textValue).toList();
    }
}
