package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * A method that command line, configuration file and JSON-RPC socket can call.
 *
 * @param name as in SPDK where SPDK has it
 * @param phases when it may be called
 * @param handler what it does
 * @param <C> what methods work on
 */
public record Method<C>(String name, Phases phases, String description, List<Param> params, Handler<C> handler) {

    /** The parameter of that name; throws {@link RpcException} that lists the known ones. */
    public Param param(String parameter) {
        return Arguments.find(params, parameter);
    }

    /** When a method may be called: before the start-up is released ({@code framework_start_init}), after, or both. */
    public enum Phases {
        STARTUP,
        RUNTIME,
        ANY
    }

    /**
     * Does the work on the thread that owns the context. Throws {@link RpcException} for what its caller is to be told.
     */
    public interface Handler<C> {
        /** Returns the result, or a stage that completes with it later. */
        CompletionStage<JsonNode> call(C context, Arguments arguments);
    }
}
