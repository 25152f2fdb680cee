package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.pmd.net.VhostPort;
import io.gatun.pmd.net.VhostPortOptions;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.VhostUserBackend;
import io.gatun.vhostuser.VringStatus;
import java.nio.file.Path;
import java.util.List;

/** Ports whose other end is a virtual machine's network interface. */
final class VhostPortKind {
    static final PortKind KIND = new PortKind(
            "vhost",
            "Makes a port whose other end is a virtual machine's network interface, at a vhost-user socket.",
            List.of(
                    required("socket", STRING, "Path of the socket."),
                    optional("connect", BOOLEAN, "Connect to a front-end that listens (false)."),
                    optional("queues", UINT32, "Queue pairs a guest may use, 1 to 128 (1)."),
                    optional("packed", BOOLEAN, "Offer packed rings (true)."),
                    optional("in_order", BOOLEAN, "Offer to complete in order (true)."),
                    optional("mergeable", BOOLEAN, "Offer mergeable receive buffers (true)."),
                    optional("offloads", BOOLEAN, "Offer checksum and segmentation offloads (true)."),
                    optional("mac", STRING, "Address in the configuration space (none: the front-end's)."),
                    optional("mtu", UINT32, "MTU, also in the configuration space, 68 to 65535 (1500, not told)."),
                    PortKinds.CPUMASK),
            VhostPortKind::open);

    private VhostPortKind() {}

    private static PortKind.Opened open(Target target, String name, Arguments arguments) {
        Settings settings = target.settings();
        VhostPortOptions options = new VhostPortOptions(
                PortKinds.integer(arguments, "queues", 1),
                arguments.bool("packed", true),
                arguments.bool("in_order", true),
                arguments.bool("mergeable", true),
                arguments.bool("offloads", true),
                arguments.string("mac", ""),
                PortKinds.integer(arguments, "mtu", 0),
                settings.backend());
        Path socket = settings.vhostDirectory().resolve(arguments.string("socket"));
        List<Reactor> reactors = PortKinds.select(target, arguments);
        VhostPort port = arguments.bool("connect", false)
                ? VhostPort.connect(name, target.loop(), socket, options, reactors)
                : VhostPort.listen(name, target.loop(), socket, options, reactors);
        return new PortKind.Opened(port, entry -> describe(port, entry));
    }

    private static void describe(VhostPort port, ObjectNode entry) {
        VhostUserBackend backend = port.backend();
        entry.put("socket", backend.socket().toString()).put("connected", backend.connected());
        NetFeatures.describe(port.features(), entry.putArray("features"));
        ArrayNode rings = entry.putArray("rings");
        for (VringStatus ring : backend.rings()) {
            if (ring.started() || ring.counters().starts() > 0) {
                VhostMethods.describe(ring, rings.addObject());
            }
        }
    }
}
