package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Param.Type.BOOLEAN;
import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.Type.UINT64;
import static io.gatun.daemon.rpc.Param.optional;

import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.Param;
import io.gatun.pmd.NullOptions;
import io.gatun.pmd.NullPort;
import io.gatun.pmd.Placement;
import io.gatun.pmd.Port;
import io.gatun.pmd.pcap.PcapOptions;
import io.gatun.pmd.pcap.PcapPort;
import io.gatun.pmd.tap.TapOptions;
import io.gatun.pmd.tap.TapPort;
import io.gatun.reactor.Reactor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Every kind of packet port, and how its parameters become a port. */
final class PortKinds {
    /** The longest packet that readers of pcap files expect. */
    static final int ALL_BYTES = 262_144;

    static final Param CPUMASK = optional("cpumask", STRING, "Only reactors on these processors (all).");
    private static final Param QUEUES = optional("queues", UINT32, "Queue pairs, 1 to 64 (1).");

    private static final PortKind TAP = new PortKind(
            "tap",
            "Makes a port whose other end is the host's kernel, through a TAP interface; needs CAP_NET_ADMIN.",
            List.of(
                    optional("ifname", STRING, "The interface, made if it is not there (the port's name)."),
                    QUEUES,
                    optional("mtu", UINT32, "Its MTU, 68 to 65521; 0 leaves it as it is (1500)."),
                    optional("offloads", BOOLEAN, "Exchange missing checksums and large packets (true)."),
                    CPUMASK),
            PortKinds::openTap);

    private static final PortKind PCAP = new PortKind(
            "pcap",
            "Makes a port that writes what is sent to it to a file, replays a file, or both.",
            List.of(
                    optional("path", STRING, "The file to write, made anew; tcpdump and tshark read it."),
                    optional("replay", STRING, "The file whose packets the port receives, once something takes them."),
                    optional("rounds", UINT64, "How often they are received; 0 is again and again (1)."),
                    optional("timing", BOOLEAN, "As far apart as they were captured (false: as fast as they go)."),
                    optional("rate", UINT64, "Or so many per second."),
                    optional("snaplen", UINT32, "The most bytes of a packet that are written, 14 to 262144 (all)."),
                    CPUMASK),
            PortKinds::openPcap);

    private static final PortKind NULL = new PortKind(
            "null",
            "Makes a port that swallows what is sent to it, and can make up what it receives.",
            List.of(
                    QUEUES,
                    optional("size", UINT32, "Bytes of the packets it makes up, 14 to 9216 (none)."),
                    optional("rate", UINT64, "How many of these per second (as many as go)."),
                    CPUMASK),
            PortKinds::openNull);

    static final List<PortKind> ALL = List.of(VhostPortKind.KIND, VirtioUserPortKind.KIND, TAP, PCAP, NULL);

    private PortKinds() {}

    private static PortKind.Opened openTap(Target target, String name, Arguments arguments) {
        TapOptions options = new TapOptions(
                arguments.string("ifname", name),
                integer(arguments, "queues", 1),
                integer(arguments, "mtu", Port.DEFAULT_MTU),
                arguments.bool("offloads", true));
        TapPort port = TapPort.open(name, options, reactors(target, arguments));
        return new PortKind.Opened(port, entry -> entry.put("ifname", port.interfaceName()));
    }

    private static PortKind.Opened openPcap(Target target, String name, Arguments arguments) {
        PcapOptions options = new PcapOptions(
                path(arguments, "path"),
                path(arguments, "replay"),
                arguments.number("rounds", 1),
                arguments.bool("timing", false),
                arguments.number("rate", 0),
                integer(arguments, "snaplen", ALL_BYTES));
        PcapPort port = PcapPort.open(name, options, reactors(target, arguments).getFirst());
        // A configuration must mean the same files wherever it is loaded from.
        Map<String, String> files = new LinkedHashMap<>();
        if (options.write() != null) {
            files.put("path", options.write().toString());
        }
        if (options.replay() != null) {
            files.put("replay", options.replay().toString());
        }
        return new PortKind.Opened(port, entry -> {
            files.forEach(entry::put);
            if (options.replay() != null) {
                entry.put("replayed", port.replayed());
            }
        }, files);
    }

    private static Path path(Arguments arguments, String name) {
        return arguments.has(name) ? Path.of(arguments.string(name)).toAbsolutePath() : null;
    }

    private static PortKind.Opened openNull(Target target, String name, Arguments arguments) {
        NullOptions options = new NullOptions(
                integer(arguments, "queues", 1), integer(arguments, "size", 0), arguments.number("rate", 0));
        return new PortKind.Opened(new NullPort(name, options, reactors(target, arguments)), _ -> {});
    }

    /** The reactors that a port's queues are spread over, each port starting with the next one. */
    private static List<Reactor> reactors(Target target, Arguments arguments) {
        return Placement.inTurn(select(target, arguments), integer(arguments, "queues", 1));
    }

    /** The reactors that a port may use. */
    static List<Reactor> select(Target target, Arguments arguments) {
        return arguments.has("cpumask")
                ? CpuMask.select(target.reactors(), arguments.string("cpumask"))
                : target.reactors();
    }

    /** A number that the port's own options judge. */
    static int integer(Arguments arguments, String name, int absent) {
        return (int) Math.min(arguments.number(name, absent), Integer.MAX_VALUE);
    }
}
