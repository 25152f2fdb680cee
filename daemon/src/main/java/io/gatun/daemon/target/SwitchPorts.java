package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.STRINGS;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.Type.UINT64;
import static io.gatun.daemon.rpc.Param.optional;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.linux.Errno;
import io.gatun.pmd.bridge.BridgePortOptions;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How ports take part in a switch. {@code switch_add_port} says it of one port: {@code access=10}; {@code
 * switch_create} says it of several: {@code access=p0:10+p1:20}.
 */
final class SwitchPorts {
    /** What {@code switch_add_port} takes besides the names. */
    static final List<Param> OF_ONE = List.of(
            optional("access", UINT32, "The one VLAN, 1 to 4094, that the port's untagged packets are in."),
            optional("trunk", STRING, "VLANs whose tagged packets the port carries, such as 10/20-29 (all)."),
            optional("native", UINT32, "The VLAN of a trunk's untagged packets, 1 to 4094."),
            optional("mirror", BOOLEAN, "The port gets a copy of every packet, and is nothing else (false)."),
            optional("packet_rate", UINT64, "Packets per second that it may send at most; 0 is no limit (0)."),
            optional("byte_rate", UINT64, "Bytes per second that it may send at most; 0 is no limit (0)."),
            optional("port_macs", UINT32, "Addresses that are learned behind it at most (1024)."));

    private SwitchPorts() {}

    /** The same for several ports at once, for {@code switch_create}. */
    static List<Param> ofSeveral() {
        List<Param> params = new ArrayList<>();
        for (Param param : OF_ONE) {
            params.add(param.type() == BOOLEAN
                    ? optional(param.name(), STRINGS, "Of these ports: " + lower(param.description()))
                    : optional(param.name(), STRINGS, "PORT:VALUE of each port: " + lower(param.description())));
        }
        return params;
    }

    private static String lower(String sentence) {
        return Character.toLowerCase(sentence.charAt(0)) + sentence.substring(1);
    }

    /**
     * What {@code switch_add_port} is to be called with for each port of {@code switch_create}'s arguments.
     *
     * @throws RpcException where a value is none, or is about another port
     */
    static Map<String, ObjectNode> split(String name, List<String> ports, Arguments arguments) {
        Map<String, ObjectNode> calls = new LinkedHashMap<>();
        for (String port : ports) {
            ObjectNode call = JsonNodeFactory.instance.objectNode().put("name", name).put("port", port);
            if (calls.put(port, call) != null) {
                throw RpcException.errno(Errno.EINVAL, "port " + port + " is named twice");
            }
        }
        for (Param param : OF_ONE) {
            if (arguments.has(param.name())) {
                arguments.strings(param.name()).forEach(given -> set(calls, param, given));
            }
        }
        return calls;
    }

    private static void set(Map<String, ObjectNode> calls, Param param, String given) {
        boolean truth = param.type() == BOOLEAN;
        int colon = given.indexOf(':');
        if (!truth && colon < 1) {
            throw RpcException.invalidParameters(param.name() + "=" + given + ": expected PORT:VALUE");
        }
        String port = truth ? given : given.substring(0, colon);
        ObjectNode call = calls.get(port);
        if (call == null) {
            throw RpcException.invalidParameters(param.name() + "=" + given + ": " + port
                    + " is none of the switch's ports, " + String.join(", ", calls.keySet()));
        }
        if (call.has(param.name())) {
            throw RpcException.invalidParameters(param.name() + "=" + given + ": " + port + " is given twice");
        }
        call.set(param.name(), param.parse(truth ? "true" : given.substring(colon + 1)));
    }

    /** Throws {@link IllegalArgumentException} where something cannot be. */
    static BridgePortOptions options(Arguments arguments) {
        return new BridgePortOptions(
                PortKinds.integer(arguments, "access", 0),
                vlans(arguments.string("trunk", "all")),
                PortKinds.integer(arguments, "native", 0),
                arguments.bool("mirror", false),
                arguments.number("packet_rate", 0),
                arguments.number("byte_rate", 0),
                PortKinds.integer(arguments, "port_macs", BridgePortOptions.DEFAULT_MAC_LIMIT));
    }

    /** VLANs and ranges of them, joined by slashes; none are all. */
    private static BitSet vlans(String text) {
        BitSet vlans = new BitSet();
        if (text.equals("all")) {
            return vlans;
        }
        for (String range : text.split("/", -1)) {
            try {
                int dash = range.indexOf('-');
                int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
                int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
                if (first >= 1 && first <= last && last <= BridgePortOptions.MAX_VLAN) {
                    vlans.set(first, last + 1);
                    continue;
                }
            } catch (NumberFormatException e) {
                // Told below.
            }
            throw new IllegalArgumentException("trunk=" + text + ": expected VLANs from 1 to "
                    + BridgePortOptions.MAX_VLAN + " such as 10/20-29, or all");
        }
        return vlans;
    }
}
