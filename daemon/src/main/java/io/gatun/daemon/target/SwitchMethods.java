package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.STRINGS;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.pmd.bridge.Bridge;
import io.gatun.pmd.bridge.BridgeOptions;
import io.gatun.pmd.bridge.BridgePortOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Methods that make and describe switches. */
final class SwitchMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final Param NAME = required("name", STRING, "Name of the switch.");
    private static final Param PORT = required("port", STRING, "Name of the port.");

    private static final List<Param> ADD_PORT = concat(List.of(NAME, PORT), SwitchPorts.OF_ONE);

    private SwitchMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        List<Param> create = concat(
                List.of(
                        NAME,
                        optional("ports", STRINGS, "Its ports, at most 1024; switch_add_port adds more."),
                        optional("mac_limit", UINT32, "Addresses that are learned at most, 1 to 1000000 (8192)."),
                        optional(
                                "ageing",
                                UINT32,
                                "Seconds after which an unseen address is forgotten, looked at every 5 (300).")),
                SwitchPorts.ofSeveral());
        registry.add(
                "switch_create",
                RUNTIME,
                "Makes a learning Ethernet switch between ports.",
                create,
                SwitchMethods::create);
        registry.add(
                "switch_delete",
                RUNTIME,
                "Ends a switch: its ports drop what they receive.",
                List.of(NAME),
                (target, arguments) -> {
                    target.net().remove(target.net().bridge(arguments.string("name")));
                    return BooleanNode.TRUE;
                });
        registry.add("switch_add_port", RUNTIME, "Adds a port to a switch.", ADD_PORT, (target, arguments) -> {
            NetSwitch bridge = target.net().bridge(arguments.string("name"));
            NetPort port = target.net().port(arguments.string("port"));
            Net.checkUnused(port);
            checkRoom(bridge.bridge.name(), bridge.ports.size() + 1);
            target.net().attach(bridge, port, options(arguments), arguments.toJson());
            return BooleanNode.TRUE;
        });
        registry.add(
                "switch_remove_port",
                RUNTIME,
                "Takes a port out of a switch.",
                List.of(NAME, PORT),
                SwitchMethods::removePort);
        registry.add(
                "switch_get",
                RUNTIME,
                "Describes the switches and their ports.",
                List.of(optional("name", STRING, "Only this switch.")),
                SwitchMethods::switches);
        registry.add(
                "switch_get_macs",
                RUNTIME,
                "Lists the addresses that a switch has learned, with the seconds since they were seen.",
                List.of(NAME),
                SwitchMethods::macs);
    }

    private static JsonNode create(Target target, Arguments arguments) {
        String name = arguments.string("name");
        Net.checkFree("switch", target.net().switches(), name);
        List<String> names = arguments.has("ports") ? arguments.strings("ports") : List.of();
        checkRoom(name, names.size());
        Map<String, ObjectNode> calls = SwitchPorts.split(name, names, arguments);
        List<NetPort> ports = names.stream().map(target.net()::port).toList();
        ports.forEach(Net::checkUnused);
        List<BridgePortOptions> options = calls.values().stream()
                .map(call -> options(Arguments.check(ADD_PORT, call)))
                .toList();
        Bridge bridge;
        try {
            bridge = new Bridge(name, new BridgeOptions(
                    PortKinds.integer(arguments, "mac_limit", BridgeOptions.DEFAULT.macLimit()),
                    PortKinds.integer(arguments, "ageing", BridgeOptions.DEFAULT.ageingSeconds())));
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, e.getMessage());
        }
        ObjectNode parameters = JSON.objectNode()
                .put("name", name)
                .put("mac_limit", bridge.options().macLimit())
                .put("ageing", bridge.options().ageingSeconds());
        NetSwitch made = new NetSwitch(bridge, parameters);
        target.net().add(made, target.loop());
        for (int i = 0; i < ports.size(); i++) {
            target.net().attach(made, ports.get(i), options.get(i), calls.get(names.get(i)));
        }
        return TextNode.valueOf(name);
    }

    private static void checkRoom(String name, int ports) {
        if (ports > Bridge.MAX_PORTS) {
            throw RpcException.invalidParameters("switch " + name + " would have " + ports
                    + " ports: expected at most " + Bridge.MAX_PORTS + "; use several switches");
        }
    }

    private static BridgePortOptions options(Arguments arguments) {
        try {
            return SwitchPorts.options(arguments);
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, "port " + arguments.string("port") + ": " + e.getMessage());
        }
    }

    private static JsonNode removePort(Target target, Arguments arguments) {
        NetSwitch bridge = target.net().bridge(arguments.string("name"));
        NetPort port = target.net().port(arguments.string("port"));
        if (!bridge.ports.containsKey(port)) {
            throw RpcException.errno(
                    Errno.ENOENT, "port " + port.name() + " is none of switch " + bridge.bridge.name());
        }
        target.net().detach(bridge, port);
        return BooleanNode.TRUE;
    }

    private static JsonNode switches(Target target, Arguments arguments) {
        ArrayNode list = JSON.arrayNode();
        String name = arguments.string("name");
        if (name == null) {
            target.net().switches().values().forEach(each -> list.add(describe(each)));
        } else {
            list.add(describe(target.net().bridge(name)));
        }
        return list;
    }

    private static ObjectNode describe(NetSwitch each) {
        Bridge bridge = each.bridge;
        ObjectNode entry = JSON.objectNode()
                .put("name", bridge.name())
                .put("macs", bridge.macCount())
                .put("mac_limit", bridge.options().macLimit())
                .put("mac_moves", bridge.macMoves())
                .put("mac_refusals", bridge.macRefusals())
                .put("ageing", bridge.options().ageingSeconds())
                .put("flooded", bridge.flooded());
        ArrayNode ports = entry.putArray("ports");
        each.ports.values().forEach(parameters -> {
            ObjectNode port = parameters.deepCopy();
            port.remove("name");
            ports.add(port);
        });
        return entry;
    }

    private static JsonNode macs(Target target, Arguments arguments) {
        ArrayNode list = JSON.arrayNode();
        target.net().bridge(arguments.string("name")).bridge.macs().forEach(mac -> list.addObject()
                .put("mac", mac.macText())
                .put("vlan", mac.vlan())
                .put("port", mac.port().name())
                .put("age", mac.ageSeconds()));
        return list;
    }

    /** The calls that recreate all switches. */
    static void config(Target target, ArrayNode calls) {
        for (NetSwitch each : target.net().switches().values()) {
            calls.addObject().put("method", "switch_create").set("params", each.parameters);
            each.ports.values().forEach(port ->
                    calls.addObject().put("method", "switch_add_port").set("params", port));
        }
    }

    private static List<Param> concat(List<Param> first, List<Param> second) {
        List<Param> all = new ArrayList<>(first);
        all.addAll(second);
        return List.copyOf(all);
    }
}
