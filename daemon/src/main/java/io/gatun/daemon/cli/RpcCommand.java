package io.gatun.daemon.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.gatun.daemon.rpc.Json;
import io.gatun.daemon.rpc.JsonRpcClient;
import io.gatun.daemon.rpc.Method;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.daemon.target.Methods;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun rpc}: calls one method of a running daemon. */
@Command(
        name = "rpc",
        mixinStandardHelpOptions = true,
        description = "Calls a method of the running daemon and prints what it answers.",
        footer = {
            "",
            "METHOD is one of the daemon's (gatun rpc --list shows them with their parameters), or",
            "  save_config   prints a configuration that recreates the present state",
            "  load_config   reads such a configuration from standard input and applies it",
            "",
            "Examples:",
            "  gatun rpc bdev_malloc_create name=m1 block_size=512 num_blocks=131072",
            "  gatun rpc vhost_create_blk_controller ctrlr=/tmp/m1.sock dev_name=m1 packed_ring=on",
            "  gatun rpc bdev_set_qos_limit name=m1 rw_ios_per_sec=20000",
            "  gatun rpc port_vhost_create name=p2 socket=/tmp/p2.sock queues=4",
            "  gatun rpc switch_add_port name=br0 port=p2 access=10",
            "  gatun rpc bdev_get_iostat '{\"names\": [\"m1\"]}'",
            "  gatun rpc save_config > gatun.json; gatun serve --config gatun.json"
        })
final class RpcCommand implements Callable<Integer> {
    @Mixin
    private RpcSocket socket;

    @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "60", description = "How long to wait (60).")
    private int timeoutSeconds;

    @Option(names = "--list", description = "List the methods this program knows, with their parameters.")
    private boolean list;

    @Parameters(index = "0", arity = "0..1", paramLabel = "METHOD", description = "The method to call.")
    private String method;

    @Parameters(
            index = "1..*",
            paramLabel = "key=value",
            description = "Its parameters; true/on/yes, numbers, a,b,c for arrays; or one JSON object.")
    private List<String> parameters = List.of();

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        if (list) {
            Methods.REGISTRY.methods().forEach(known -> describe(out, known));
            return Gatun.OK;
        }
        if (method == null) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "which METHOD? gatun rpc --list shows them");
        }
        if (timeoutSeconds < 1 || timeoutSeconds > 86_400) {
            throw new UsageException("--timeout " + timeoutSeconds + ": expected 1 to 86400 seconds");
        }
        JsonNode params = parameters();
        if (params != null && (method.equals("save_config") || method.equals("load_config"))) {
            throw new UsageException(method + " takes no parameters");
        }
        try (JsonRpcClient client = socket.connect(Duration.ofSeconds(timeoutSeconds))) {
            switch (method) {
                case "save_config" -> out.println(Json.pretty(saveConfig(client)));
                case "load_config" -> loadConfig(client, System.in);
                default -> print(out, client.call(method, params));
            }
        } catch (RpcException e) {
            throw new RpcException(e.code(), method + ": " + e.getMessage() + " (code " + e.code() + ")");
        }
        out.flush();
        return Gatun.OK;
    }

    private JsonNode parameters() {
        if (parameters.size() == 1 && parameters.getFirst().startsWith("{")) {
            try {
                return Json.document(parameters.getFirst().getBytes(StandardCharsets.UTF_8));
            } catch (JsonProcessingException e) {
                throw new UsageException(method + " " + parameters.getFirst() + ": " + Json.reason(e));
            }
        }
        ObjectNode params = JsonNodeFactory.instance.objectNode();
        Method<?> known = Methods.REGISTRY.find(method);
        for (String pair : parameters) {
            int equals = pair.indexOf('=');
            if (equals < 1) {
                throw new UsageException(method + " " + pair + ": expected key=value");
            }
            String key = pair.substring(0, equals);
            String value = pair.substring(equals + 1);
            try {
                params.set(key, known == null ? guess(value) : known.param(key).parse(value));
            } catch (RpcException e) {
                throw new UsageException(method + ": " + e.getMessage());
            }
        }
        return params.isEmpty() ? null : params;
    }

    /** The value for a method that only the other side knows: JSON where it is JSON, a string otherwise. */
    private static JsonNode guess(String value) {
        try {
            JsonNode node = Json.document(value.getBytes(StandardCharsets.UTF_8));
            return node.isMissingNode() ? TextNode.valueOf(value) : node;
        } catch (JsonProcessingException e) {
            return TextNode.valueOf(value);
        }
    }

    /** Composed on this side, as SPDK's client does it. */
    static ObjectNode saveConfig(JsonRpcClient client) {
        ObjectNode config = JsonNodeFactory.instance.objectNode();
        ArrayNode subsystems = config.putArray("subsystems");
        for (JsonNode entry : client.call("framework_get_subsystems", null)) {
            ObjectNode name = JsonNodeFactory.instance.objectNode();
            name.set("name", entry.path("subsystem"));
            ObjectNode subsystem = subsystems.addObject();
            subsystem.set("subsystem", entry.path("subsystem"));
            subsystem.set("config", client.call("framework_get_config", name));
        }
        return config;
    }

    private static void loadConfig(JsonRpcClient client, InputStream in) throws IOException {
        for (ConfigFile.Call call : ConfigFile.parse("standard input", in.readAllBytes())) {
            try {
                JsonNode _ = client.call(call.method(), call.params());
            } catch (RpcException e) {
                throw new RpcException(e.code(), call.method() + ": " + e.getMessage());
            }
        }
    }

    private static void print(PrintWriter out, JsonNode result) {
        out.println(result.isTextual() ? result.textValue() : Json.pretty(result));
    }

    private static void describe(PrintWriter out, Method<?> known) {
        out.println(known.name());
        out.println("    " + known.description());
        for (Param param : known.params()) {
            String need = param.required() ? "" : " (optional)";
            out.println("    " + param.name() + need + ": " + param.accepts() + ". " + param.description());
        }
    }
}
