package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.cli.ConfigFile.Call;
import io.gatun.daemon.rpc.Method;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.daemon.target.Methods;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * {@code --port KIND:NAME,key=value,…}, {@code --switch NAME,ports=PORT+PORT,…} and {@code --loop MODE:PORT,…}, as the
 * calls they stand for. Keys are the method's parameters, with dashes for underscores, so nothing has to be listed
 * here; several values are joined by {@code +}.
 */
final class NetOption {
    private static final String PORT_FORM = "KIND:NAME,key=value,… with KIND ";
    private static final String SWITCH_FORM = "NAME,ports=PORT+PORT…,key=value,…";
    private static final String LOOP_FORM = "MODE:PORT[+PORT][,size=BYTES] with MODE ";

    private NetOption() {}

    /** The call that makes a port. */
    static Call port(String given) {
        OptionText spec = new OptionText("--port", given);
        String kinds = kinds();
        int colon = given.indexOf(':');
        if (colon < 1) {
            throw spec.wrong("expected " + PORT_FORM + kinds);
        }
        String kind = given.substring(0, colon);
        Method<?> method = Methods.REGISTRY.find("port_" + kind.replace('-', '_') + "_create");
        if (method == null) {
            throw spec.wrong("unknown kind " + kind + ": expected " + kinds);
        }
        String name = spec.split(given.substring(colon + 1));
        if (name.isEmpty() || name.contains("=")) {
            throw spec.wrong("the name is missing: expected " + PORT_FORM + kinds);
        }
        ObjectNode params = JsonNodeFactory.instance.objectNode().put("name", name);
        return call(spec, method, params);
    }

    /** The call that makes a switch. */
    static Call bridge(String given) {
        OptionText spec = new OptionText("--switch", given);
        String name = spec.split(given);
        if (name.isEmpty() || name.contains("=")) {
            throw spec.wrong("the name is missing: expected " + SWITCH_FORM);
        }
        spec.required("ports", "the names of --port, joined by +");
        ObjectNode params = JsonNodeFactory.instance.objectNode().put("name", name);
        return call(spec, Methods.REGISTRY.find("switch_create"), params);
    }

    /** The call that makes a loop. */
    static Call loop(String given) {
        OptionText spec = new OptionText("--loop", given);
        Method<?> method = Methods.REGISTRY.find("loop_create");
        String modes = words(method.param("mode").choices());
        int colon = given.indexOf(':');
        if (colon < 1) {
            throw spec.wrong("expected " + LOOP_FORM + modes);
        }
        String mode = given.substring(0, colon);
        if (!method.param("mode").choices().contains(mode)) {
            throw spec.wrong("unknown mode " + mode + ": expected " + modes);
        }
        String ports = spec.split(given.substring(colon + 1));
        if (ports.isEmpty() || ports.contains("=")) {
            throw spec.wrong("the port is missing: expected " + LOOP_FORM + modes);
        }
        ObjectNode params = JsonNodeFactory.instance.objectNode().put("mode", mode);
        names(ports, params.putArray("ports"));
        return call(spec, method, params);
    }

    /** A call with {@code params} and every key that was given, which are the method's other parameters. */
    private static Call call(OptionText spec, Method<?> method, ObjectNode params) {
        List<Param> others = method.params().stream()
                .filter(param -> !params.has(param.name()))
                .toList();
        spec.checkKeys(others.stream().map(NetOption::key).toList());
        for (Param param : others) {
            String value = spec.value(key(param));
            if (value == null && !param.required()) {
                continue;
            }
            spec.required(key(param), param.accepts());
            if (param.type() == Param.Type.STRINGS) {
                names(value, params.putArray(param.name()));
                continue;
            }
            try {
                params.set(param.name(), param.parse(value));
            } catch (RpcException e) {
                throw spec.wrong(key(param) + "=" + value + ": expected "
                        + (param.type() == Param.Type.BOOLEAN ? "on or off" : param.accepts()));
            }
        }
        return new Call(method.name(), params);
    }

    private static String key(Param param) {
        return param.name().replace('_', '-');
    }

    private static void names(String joined, ArrayNode names) {
        Arrays.stream(joined.split("\\+", -1)).forEach(names::add);
    }

    private static String kinds() {
        return words(Methods.REGISTRY.methods().stream()
                .map(Method::name)
                .filter(name -> name.startsWith("port_") && name.endsWith("_create"))
                .map(name -> name.substring("port_".length(), name.length() - "_create".length()).replace('_', '-'))
                .collect(Collectors.toList()));
    }

    private static String words(List<String> choices) {
        int last = choices.size() - 1;
        return last < 1 ? String.join("", choices)
                : String.join(", ", choices.subList(0, last)) + " or " + choices.get(last);
    }
}
