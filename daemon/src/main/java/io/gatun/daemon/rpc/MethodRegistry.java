package io.gatun.daemon.rpc;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.Method.Handler;
import io.gatun.daemon.rpc.Method.Phases;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BiFunction;

/**
 * Every method there is, by name: the one table behind the command line, the configuration file and the socket.
 *
 * @param <C> what methods work on
 */
public final class MethodRegistry<C> {
    private final Map<String, Method<C>> methods = new TreeMap<>();

    /** Adds a method that answers at once. */
    public void add(
            String name,
            Phases phases,
            String description,
            List<Param> params,
            BiFunction<C, Arguments, JsonNode> body) {
        addLater(name, phases, description, params, (context, arguments) ->
                CompletableFuture.completedFuture(body.apply(context, arguments)));
    }

    /** Adds a method that may answer later. */
    public void addLater(String name, Phases phases, String description, List<Param> params, Handler<C> handler) {
        Method<C> previous = methods.put(name, new Method<>(name, phases, description, params, handler));
        assert previous == null : name + " is registered twice";
    }

    /** All methods, sorted by name. */
    public Collection<Method<C>> methods() {
        return methods.values();
    }

    /** The method, or {@code null}. */
    public Method<C> find(String name) {
        return methods.get(name);
    }

    /**
     * Calls a method.
     *
     * @param started whether start-up is over, which some methods need and {@code framework_start_init} must not see
     * @param params an object, or {@code null} for none
     * @throws RpcException if there is no such method, it may not be called now, or the parameters are not its
     */
    public CompletionStage<JsonNode> call(C context, boolean started, String name, JsonNode params) {
        Method<C> method = methods.get(name);
        if (method == null) {
            throw new RpcException(RpcException.METHOD_NOT_FOUND, "Method not found");
        }
        if (method.phases() == (started ? Phases.STARTUP : Phases.RUNTIME)) {
            throw new RpcException(RpcException.INVALID_STATE, started
                    ? "Method may only be called before framework is initialized. Use --wait-for-rpc command line "
                            + "parameter and then issue this RPC before the framework_start_init RPC."
                    : "Method may only be called after framework is initialized using framework_start_init RPC.");
        }
        return method.handler().call(context, Arguments.check(method.params(), params));
    }
}
