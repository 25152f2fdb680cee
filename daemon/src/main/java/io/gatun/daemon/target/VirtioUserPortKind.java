package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;
import static io.gatun.daemon.rpc.Param.required;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.pmd.user.VirtioUserOptions;
import io.gatun.pmd.user.VirtioUserPort;
import io.gatun.reactor.Reactor;
import java.nio.file.Path;
import java.util.List;

/** Ports that are the guest's end of a vhost-user device: of DPDK, of Open vSwitch, of another Gatun. */
final class VirtioUserPortKind {
    private static final VirtioUserOptions DEFAULTS = VirtioUserOptions.DEFAULTS;

    static final PortKind KIND = new PortKind(
            "virtio-user",
            "Makes a port that is the guest's end of another program's vhost-user network device.",
            List.of(
                    required("socket", STRING, "Path of the socket."),
                    optional("listen", BOOLEAN, "Listen for a back-end that connects (false)."),
                    optional("queues", UINT32, "Queue pairs, 1 to 128; fewer where the back-end has fewer (1)."),
                    optional("queue_size", UINT32, "Descriptors per ring, a power of two from 2 to 32768 (256)."),
                    optional("packed", BOOLEAN, "Packed rings (false)."),
                    optional("in_order", BOOLEAN, "Complete in order, where offered (false)."),
                    optional("mergeable", BOOLEAN, "Mergeable receive buffers, where offered (true)."),
                    optional("offloads", BOOLEAN, "Missing checksums and large packets, where offered (false)."),
                    optional("mac", STRING, "The port's address (the back-end's, where it has one)."),
                    optional("mtu", UINT32, "MTU, 68 to 65535; less where the back-end allows less (1500)."),
                    optional("hugepages", BOOLEAN, "Packets lie on hugepages, if enough are free (true)."),
                    PortKinds.CPUMASK),
            VirtioUserPortKind::open);

    private VirtioUserPortKind() {}

    private static PortKind.Opened open(Target target, String name, Arguments arguments) {
        VirtioUserOptions options = new VirtioUserOptions(
                PortKinds.integer(arguments, "queues", DEFAULTS.queues()),
                arguments.bool("packed", DEFAULTS.packed()),
                arguments.bool("in_order", DEFAULTS.inOrder()),
                arguments.bool("mergeable", DEFAULTS.mergeable()),
                arguments.bool("offloads", DEFAULTS.offloads()),
                PortKinds.integer(arguments, "queue_size", DEFAULTS.queueSize()),
                arguments.string("mac", DEFAULTS.mac()),
                PortKinds.integer(arguments, "mtu", DEFAULTS.mtu()),
                arguments.bool("hugepages", DEFAULTS.hugepages()),
                DEFAULTS.timeout());
        Path socket = target.settings().vhostDirectory().resolve(arguments.string("socket"));
        List<Reactor> reactors = PortKinds.select(target, arguments);
        VirtioUserPort port = arguments.bool("listen", false)
                ? VirtioUserPort.listen(name, socket, options, reactors)
                : VirtioUserPort.connect(name, socket, options, reactors);
        return new PortKind.Opened(port, entry -> describe(port, entry));
    }

    private static void describe(VirtioUserPort port, ObjectNode entry) {
        entry.put("socket", port.socket().toString()).put("listens", port.listens());
        NetFeatures.describe(port.features(), entry.putArray("features"));
        entry.put("mac", port.macAddress().isEmpty() ? null : port.macAddress());
        entry.put("reason", port.reason().isEmpty() ? null : port.reason());
    }
}
