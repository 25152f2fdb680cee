package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Param.Type.STRING;
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
import io.gatun.linux.LinuxException;
import io.gatun.pmd.Drop;
import io.gatun.pmd.QueueCounters;
import io.gatun.pmd.pcap.PcapException;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;

/** Methods that make, remove and describe packet ports. SPDK has none of the kind: names and texts are our own. */
final class PortMethods {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final Param NAME = required("name", STRING, "Name of the port.");

    private PortMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        for (PortKind kind : PortKinds.ALL) {
            List<Param> params = new ArrayList<>(List.of(NAME));
            params.addAll(kind.params());
            registry.add(kind.method(), RUNTIME, kind.description(), List.copyOf(params), (target, arguments) ->
                    create(target, kind, arguments));
        }
        registry.add(
                "port_delete",
                RUNTIME,
                "Removes a port that no switch or loop uses.",
                List.of(NAME),
                (target, arguments) -> {
                    target.net().remove(target.net().port(arguments.string("name")));
                    return BooleanNode.TRUE;
                });
        registry.add(
                "port_get",
                RUNTIME,
                "Describes the ports, with what each queue has carried and dropped.",
                List.of(optional("name", STRING, "Only this port.")),
                PortMethods::ports);
    }

    private static JsonNode create(Target target, PortKind kind, Arguments arguments) {
        String name = arguments.string("name");
        Net.checkFree("port", target.net().ports(), name);
        PortKind.Opened opened;
        try {
            opened = kind.opener().open(target, name, arguments);
        } catch (LinuxException e) {
            throw RpcException.errno(e.errno(), e.getMessage());
        } catch (IllegalArgumentException | PcapException e) {
            throw RpcException.errno(Errno.EINVAL, e.getMessage());
        }
        ObjectNode parameters = arguments.toJson();
        opened.settled().forEach(parameters::put);
        NetPort port = new NetPort(opened.port(), kind, parameters, opened.specific());
        target.net().ports().put(name, port);
        return TextNode.valueOf(name);
    }

    private static JsonNode ports(Target target, Arguments arguments) {
        ArrayNode list = JSON.arrayNode();
        String name = arguments.string("name");
        if (name == null) {
            target.net().ports().values().forEach(port -> list.add(describe(port)));
        } else {
            list.add(describe(target.net().port(name)));
        }
        return list;
    }

    private static ObjectNode describe(NetPort port) {
        ObjectNode entry = JSON.objectNode()
                .put("name", port.name())
                .put("type", port.kind.name())
                .put("link", port.port.linkUp() ? "up" : "down")
                .put("mtu", port.port.mtu())
                .put("used_by", port.user);
        if (port.capture == null) {
            entry.putNull("capture");
        } else {
            CaptureMethods.describe(port.capture, entry.putObject("capture"));
        }
        port.specific.accept(entry.putObject("driver_specific"));
        ArrayNode rx = entry.putArray("rx_queues");
        port.port.rxQueues().forEach(queue ->
                describe(rx.addObject(), queue.index(), queue.owner(), queue.counters()));
        ArrayNode tx = entry.putArray("tx_queues");
        port.port.txQueues().forEach(queue ->
                describe(tx.addObject(), queue.index(), queue.owner(), queue.counters()));
        return entry;
    }

    private static void describe(ObjectNode entry, int index, Reactor owner, QueueCounters counters) {
        entry.put("index", index)
                .put("reactor", owner == null ? null : owner.name())
                .put("packets", counters.packets())
                .put("bytes", counters.bytes())
                .put("segmented", counters.segmented())
                .put("dropped", counters.dropped());
        ObjectNode drops = entry.putObject("drops");
        for (Drop cause : Drop.values()) {
            if (counters.dropped(cause) != 0) {
                drops.put(cause.label(), counters.dropped(cause));
            }
        }
        ObjectNode sizes = entry.putObject("sizes");
        for (int i = 0; i < QueueCounters.sizeClasses(); i++) {
            int bound = QueueCounters.sizeBound(i);
            sizes.put(bound == Integer.MAX_VALUE ? "more" : Integer.toString(bound), counters.sized(i));
        }
    }

    /** The calls that recreate all ports. */
    static void config(Target target, ArrayNode calls) {
        for (NetPort port : target.net().ports().values()) {
            calls.addObject().put("method", port.kind.method()).set("params", port.parameters);
        }
    }
}
