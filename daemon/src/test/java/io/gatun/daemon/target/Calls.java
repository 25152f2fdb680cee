package io.gatun.daemon.target;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.Json;
import java.util.concurrent.CompletableFuture;

/** Calls a target's methods as a test writes them: parameters are JSON with single quotes, or empty. */
final class Calls {
    private Calls() {}

    static JsonNode json(String singleQuoted) {
        try {
            return Json.MAPPER.readTree(singleQuoted.replace('\'', '"'));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static CompletableFuture<JsonNode> later(Target target, String method, String params) {
        return target.call(method, params.isEmpty() ? null : json(params)).toCompletableFuture();
    }
}
