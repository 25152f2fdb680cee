package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * JSON-RPC 2.0 (jsonrpc.org/specification) between one received value and the answer to it: single requests,
 * notifications and batches. As in SPDK, {@code "jsonrpc"} may be left out.
 */
final class RpcDispatch {
    private static final Logger LOG = LoggerFactory.getLogger(RpcDispatch.class);
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final JsonRpcServer.Caller caller;

    RpcDispatch(JsonRpcServer.Caller caller) {
        this.caller = caller;
    }

    /** The answer, which is {@code null} where none is due. */
    CompletableFuture<JsonNode> answer(JsonNode value) {
        if (!value.isArray()) {
            return answerOne(value);
        }
        if (value.isEmpty()) {
            return CompletableFuture.completedFuture(invalid("an empty batch"));
        }
        List<CompletableFuture<JsonNode>> answers = new ArrayList<>();
        for (JsonNode request : value) {
            answers.add(answerOne(request));
        }
        return CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new)).thenApply(_ -> {
            ArrayNode batch = JSON.arrayNode();
            for (CompletableFuture<JsonNode> answer : answers) {
                JsonNode one = answer.join();
                if (one != null) {
                    batch.add(one);
                }
            }
            return batch.isEmpty() ? null : batch;
        });
    }

    private CompletableFuture<JsonNode> answerOne(JsonNode request) {
        String wrong = faultOf(request);
        if (wrong != null) {
            return CompletableFuture.completedFuture(invalid(wrong));
        }
        JsonNode id = request.get("id");
        String method = request.get("method").textValue();
        CompletionStage<JsonNode> result;
        try {
            result = caller.call(method, request.get("params"));
        } catch (Throwable t) {
            // Errors too: what does not fit into memory must not end the daemon, which others use.
            result = CompletableFuture.failedStage(t);
        }
        return result.handle((value, failure) -> {
                    ObjectNode answer = failure == null ? success(id, value) : error(id, asRpc(method, failure));
                    return id == null ? null : (JsonNode) answer;
                })
                .toCompletableFuture();
    }

    private static String faultOf(JsonNode request) {
        if (!request.isObject()) {
            return "a request is an object";
        }
        JsonNode version = request.get("jsonrpc");
        if (version != null && !"2.0".equals(version.textValue())) {
            return "jsonrpc must be \"2.0\"";
        }
        JsonNode method = request.get("method");
        if (method == null || !method.isTextual()) {
            return "method must be a string";
        }
        JsonNode id = request.get("id");
        if (id != null && !id.isTextual() && !id.isNumber() && !id.isNull()) {
            return "id must be a string, a number or null";
        }
        JsonNode params = request.get("params");
        return params == null || params.isContainerNode() || params.isNull() ? null : "params must be an object";
    }

    static ObjectNode error(JsonNode id, RpcException failure) {
        ObjectNode answer = envelope(id);
        answer.putObject("error").put("code", failure.code()).put("message", failure.getMessage());
        return answer;
    }

    private static ObjectNode success(JsonNode id, JsonNode value) {
        ObjectNode answer = envelope(id);
        answer.set("result", value);
        return answer;
    }

    private static ObjectNode envelope(JsonNode id) {
        ObjectNode answer = JSON.objectNode().put("jsonrpc", "2.0");
        answer.set("id", id == null ? NullNode.instance : id);
        return answer;
    }

    private static ObjectNode invalid(String why) {
        return error(null, new RpcException(RpcException.INVALID_REQUEST, "Invalid request: " + why));
    }

    private static RpcException asRpc(String method, Throwable failure) {
        boolean wrapped = failure instanceof CompletionException && failure.getCause() != null;
        Throwable cause = wrapped ? failure.getCause() : failure;
        if (cause instanceof RpcException told) {
            return told;
        }
        LOG.error("{} failed", method, cause);
        return new RpcException(RpcException.INTERNAL_ERROR, "Internal error: " + cause);
    }
}
