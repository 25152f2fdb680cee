package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * One call's parameters after they were checked against the method's description: every name is known, every required
 * one is there, every value has its type. A JSON {@code null} is as if the parameter were absent.
 */
public final class Arguments {
    private final Map<String, Object> values;

    private Arguments(Map<String, Object> values) {
        this.values = values;
    }

    /** Checks {@code params}, an object or absent ({@code null}); throws {@link RpcException}. */
    public static Arguments check(List<Param> declared, JsonNode params) {
        Map<String, Object> values = new LinkedHashMap<>();
        if (params != null && !params.isNull()) {
            if (!params.isObject()) {
                throw RpcException.invalidParameters("expected an object with named parameters");
            }
            for (Map.Entry<String, JsonNode> field : params.properties()) {
                Param param = find(declared, field.getKey());
                if (!field.getValue().isNull()) {
                    values.put(param.name(), param.decode(field.getValue()));
                }
            }
        }
        for (Param param : declared) {
            if (param.required() && !values.containsKey(param.name())) {
                throw RpcException.invalidParameters(param.name() + " is missing: expected " + param.accepts());
            }
        }
        return new Arguments(values);
    }

    /** The declared parameter of that name; throws {@link RpcException} that lists the known ones. */
    static Param find(List<Param> declared, String name) {
        for (Param param : declared) {
            if (param.name().equals(name)) {
                return param;
            }
        }
        String known = String.join(", ", declared.stream().map(Param::name).toList());
        throw RpcException.invalidParameters(
                "unknown parameter " + name + (known.isEmpty() ? "; the method takes none" : "; accepted: " + known));
    }

    public boolean has(String name) {
        return values.containsKey(name);
    }

    public String string(String name) {
        return (String) values.get(name);
    }

    public String string(String name, String absent) {
        return (String) values.getOrDefault(name, absent);
    }

    public boolean bool(String name, boolean absent) {
        return (Boolean) values.getOrDefault(name, absent);
    }

    public long number(String name, long absent) {
        return (Long) values.getOrDefault(name, absent);
    }

    /** The UUID, or {@code null} where absent. */
    public UUID uuid(String name) {
        return (UUID) values.get(name);
    }

    /** The strings, or {@code null} where absent. */
    @SuppressWarnings("unchecked") // Param.decode made the list, and of strings only.
    public List<String> strings(String name) {
        return (List<String>) values.get(name);
    }

    /** What was given, in the order it was given: parameters of a call that does the same. */
    public ObjectNode toJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        values.forEach((name, value) -> {
            switch (value) {
                case Boolean truth -> json.put(name, truth);
                case Long number -> json.put(name, number);
                case List<?> list -> {
                    ArrayNode array = json.putArray(name);
                    list.forEach(item -> array.add(item.toString()));
                }
                default -> json.put(name, value.toString());
            }
        });
        return json;
    }
}
