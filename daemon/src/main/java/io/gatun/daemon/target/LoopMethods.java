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
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.loop.IcmpEcho;
import io.gatun.pmd.loop.Io;
import io.gatun.pmd.loop.Macswap;
import io.gatun.pmd.loop.RxOnly;
import io.gatun.pmd.loop.TxOnly;
import java.util.List;

/** Methods that do with a port's packets what testpmd's forward modes do. */
final class LoopMethods {
    /** The forward modes; a method takes no other. */
    static final List<String> MODES = List.of("io", "macswap", "rxonly", "txonly", "icmpecho");

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private LoopMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "loop_create",
                RUNTIME,
                "Decides about ports' packets as testpmd's forward modes do; returns the loop's name, MODE:PORTS.",
                List.of(
                        new Param(
                                "mode", Param.Type.CHOICE, true, MODES, "What is done with packets."),
                        required("ports", STRINGS, "The port; for io one that gets its own back, or two."),
                        optional("size", UINT32, "Bytes of each packet that txonly sends (64).")),
                LoopMethods::create);
        registry.add(
                "loop_delete",
                RUNTIME,
                "Ends a loop: its ports drop what they receive.",
                List.of(required("name", STRING, "Name of the loop, such as macswap:p0.")),
                (target, arguments) -> {
                    target.net().remove(target.net().loop(arguments.string("name")));
                    return BooleanNode.TRUE;
                });
        registry.add(
                "loop_get",
                RUNTIME,
                "Lists the loops.",
                List.of(),
                (target, _) -> loops(target));
    }

    private static JsonNode create(Target target, Arguments arguments) {
        String mode = arguments.string("mode");
        List<String> names = arguments.strings("ports");
        int most = mode.equals("io") ? 2 : 1;
        if (names.isEmpty() || names.size() > most) {
            throw RpcException.errno(Errno.EINVAL, "ports=" + String.join("+", names) + ": expected one port"
                    + (most == 2 ? " or two" : " for " + mode));
        }
        if (names.size() == 2 && names.get(0).equals(names.get(1))) {
            throw RpcException.errno(Errno.EINVAL, "port " + names.get(0) + " is named twice");
        }
        if (arguments.has("size") && !mode.equals("txonly")) {
            throw RpcException.errno(Errno.EINVAL, "size is for txonly, not for " + mode);
        }
        List<NetPort> ports = names.stream().map(target.net()::port).toList();
        ports.forEach(Net::checkUnused);
        Forwarder forwarder;
        try {
            forwarder = forwarder(mode, ports, arguments);
        } catch (IllegalArgumentException e) {
            throw RpcException.errno(Errno.EINVAL, e.getMessage());
        }
        NetLoop loop = new NetLoop(
                mode + ":" + String.join("+", names), mode, ports, forwarder, arguments.toJson());
        target.net().loops().put(loop.name(), loop);
        ports.forEach(port -> target.net().attach(port, loop.user(), forwarder));
        return TextNode.valueOf(loop.name());
    }

    private static Forwarder forwarder(String mode, List<NetPort> ports, Arguments arguments) {
        Port port = ports.getFirst().port;
        return switch (mode) {
            case "io" -> new Io(port, ports.getLast().port);
            case "macswap" -> new Macswap(port);
            case "rxonly" -> new RxOnly();
            case "txonly" -> {
                long size = arguments.number("size", TxOnly.DEFAULT_SIZE_BYTES);
                yield TxOnly.start(port, (int) Math.min(size, Integer.MAX_VALUE));
            }
            case "icmpecho" -> new IcmpEcho(port);
            default -> throw new IllegalStateException("a mode without a loop: " + mode);
        };
    }

    private static JsonNode loops(Target target) {
        ArrayNode list = JSON.arrayNode();
        for (NetLoop loop : target.net().loops().values()) {
            ObjectNode entry = list.addObject().put("name", loop.name()).put("mode", loop.mode());
            ArrayNode ports = entry.putArray("ports");
            loop.ports().forEach(port -> ports.add(port.name()));
        }
        return list;
    }

    /** The calls that recreate all loops. */
    static void config(Target target, ArrayNode calls) {
        for (NetLoop loop : target.net().loops().values()) {
            calls.addObject().put("method", "loop_create").set("params", loop.parameters());
        }
    }
}
