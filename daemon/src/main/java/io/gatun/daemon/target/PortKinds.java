package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Param.Type.STRING;
import static io.gatun.daemon.rpc.Param.Type.UINT32;
import static io.gatun.daemon.rpc.Param.optional;

import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.Param;
import io.gatun.pmd.NullOptions;
import io.gatun.pmd.NullPort;
import io.gatun.reactor.Reactor;
import java.util.List;

/** Every kind of packet port, and how its parameters become a port. */
final class PortKinds {
    private static final Param QUEUES = optional("queues", UINT32, "Queue pairs (1).");
    private static final Param CPUMASK = optional("cpumask", STRING, "Only reactors on these processors (all).");

    static final List<PortKind> ALL = List.of(new PortKind(
            "null",
            "Makes a port that swallows what is sent to it, and can make up what it receives.",
            List.of(
                    QUEUES,
                    optional("size", UINT32, "Bytes of the packets it makes up, 14 to 9216 (none)."),
                    optional("rate", UINT32, "How many of these per second (as many as go)."),
                    CPUMASK),
            PortKinds::openNull));

    private PortKinds() {}

    private static PortKind.Opened openNull(Target target, String name, Arguments arguments) {
        NullOptions options = new NullOptions(
                integer(arguments, "queues", 1), integer(arguments, "size", 0), arguments.number("rate", 0));
        return new PortKind.Opened(new NullPort(name, options, reactors(target, arguments)), _ -> {});
    }

    /** The reactors that a port's queues are spread over, each port starting with the next one. */
    private static List<Reactor> reactors(Target target, Arguments arguments) {
        List<Reactor> all = arguments.has("cpumask")
                ? CpuMask.select(target.reactors(), arguments.string("cpumask"))
                : target.reactors();
        return target.net().inTurn(all, integer(arguments, "queues", 1));
    }

    /** A number that the port's own options judge. */
    private static int integer(Arguments arguments, String name, int absent) {
        return (int) Math.min(arguments.number(name, absent), Integer.MAX_VALUE);
    }
}
