package io.gatun.daemon.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.Json;
import java.util.ArrayList;
import java.util.List;

/**
 * A configuration in SPDK's form: {@code {"subsystems": [{"subsystem": …, "config": [{"method": …, "params": …}]}]}},
 * the calls of all subsystems in their order. An entry may be an array of calls, a batch.
 */
final class ConfigFile {
    /** One call; {@code params} is an object or {@code null}. */
    record Call(String method, JsonNode params) {}

    private final String source;
    private final List<Call> calls = new ArrayList<>();

    private ConfigFile(String source) {
        this.source = source;
    }

    /** The calls in {@code text}; throws {@link UsageException} that names {@code source} and the place. */
    static List<Call> parse(String source, byte[] text) {
        ConfigFile file = new ConfigFile(source);
        JsonNode root;
        try {
            root = Json.document(text);
        } catch (JsonProcessingException e) {
            String where = e.getLocation() == null ? "" : ", line " + e.getLocation().getLineNr();
            throw new UsageException(source + where + ": not JSON: " + Json.reason(e));
        }
        file.subsystems(root.path("subsystems"));
        return file.calls;
    }

    private void subsystems(JsonNode subsystems) {
        if (!subsystems.isArray()) {
            throw wrong("subsystems", subsystems, "an array of {\"subsystem\": …, \"config\": […]}");
        }
        for (JsonNode subsystem : subsystems) {
            String name = "subsystem " + subsystem.path("subsystem").asText("?");
            JsonNode config = subsystem.path("config");
            if (config.isArray()) {
                config.forEach(entry -> entry(name, entry));
            } else if (!config.isNull() && !config.isMissingNode()) {
                throw wrong(name + ": config", config, "an array of {\"method\": …, \"params\": …}");
            }
        }
    }

    private void entry(String subsystem, JsonNode entry) {
        if (entry.isArray()) {
            entry.forEach(call -> entry(subsystem, call));
            return;
        }
        JsonNode method = entry.path("method");
        if (!method.isTextual()) {
            throw wrong(subsystem + ": method", method, "the name of a method");
        }
        JsonNode params = entry.get("params");
        if (params != null && !params.isObject()) {
            throw wrong(subsystem + ": " + method.textValue() + ": params", params, "an object");
        }
        calls.add(new Call(method.textValue(), params));
    }

    private UsageException wrong(String what, JsonNode value, String accepted) {
        String given = value.isMissingNode() ? "is missing" : "is " + Json.compact(value);
        return new UsageException(source + ": " + what + " " + given + ": expected " + accepted);
    }
}
