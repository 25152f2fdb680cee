package io.gatun.daemon.target;

import static io.gatun.daemon.rpc.Method.Phases.ANY;
import static io.gatun.daemon.rpc.Method.Phases.RUNTIME;
import static io.gatun.daemon.rpc.Method.Phases.STARTUP;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.Version;
import io.gatun.daemon.rpc.Arguments;
import io.gatun.daemon.rpc.Method;
import io.gatun.daemon.rpc.MethodRegistry;
import io.gatun.daemon.rpc.Param;
import io.gatun.daemon.rpc.RpcException;
import io.gatun.reactor.Counters;
import io.gatun.reactor.Reactor;
import java.util.List;

/**
 * Methods about the program itself. Times are in ticks, of which a second has {@code tick_rate}: ours are nanoseconds.
 * A reactor is what SPDK calls a reactor with one lightweight thread.
 */
final class FrameworkMethods {
    static final long TICK_RATE = 1_000_000_000;

    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private FrameworkMethods() {}

    static void addTo(MethodRegistry<Target> registry) {
        registry.add(
                "rpc_get_methods",
                ANY,
                "Lists the methods.",
                List.of(
                        Param.optional("current", Param.Type.BOOLEAN, "Only those that may be called now."),
                        Param.optional("include_aliases", Param.Type.BOOLEAN, "Old names too; there are none.")),
                (target, arguments) -> methods(registry, target, arguments));
        registry.add("spdk_get_version", ANY, "Returns this program's version.", List.of(), (_, _) -> version());
        registry.addLater(
                "framework_wait_init",
                ANY,
                "Answers when start-up is over.",
                List.of(),
                (target, _) -> target.whenStarted().thenApply(_ -> BooleanNode.TRUE));
        registry.add(
                "framework_start_init",
                STARTUP,
                "Ends the start-up that serve --wait-for-rpc leaves open.",
                List.of(),
                (target, _) -> {
                    target.finishStart();
                    return BooleanNode.TRUE;
                });
        registry.add(
                "framework_get_reactors",
                RUNTIME,
                "Shows the reactors and how busy they have been.",
                List.of(),
                (target, _) -> reactors(target));
        registry.add(
                "thread_get_stats",
                RUNTIME,
                "Shows how busy each reactor's thread has been.",
                List.of(),
                (target, _) -> threads(target));
        registry.add(
                "framework_get_subsystems",
                RUNTIME,
                "Lists the subsystems in the order their configuration is to be loaded.",
                List.of(),
                (_, _) -> subsystems());
        registry.add(
                "framework_get_config",
                RUNTIME,
                "Returns the calls that recreate a subsystem's present state.",
                List.of(
                        Param.required("name", Param.Type.STRING, "bdev, vhost_blk or net."),
                        Param.optional("with_batches", Param.Type.BOOLEAN, "Ignored: there are no batches.")),
                (target, arguments) -> config(target, arguments.string("name")));
    }

    private static JsonNode methods(MethodRegistry<Target> registry, Target target, Arguments arguments) {
        ArrayNode names = JSON.arrayNode();
        boolean current = arguments.bool("current", false);
        for (Method<Target> method : registry.methods()) {
            if (!current || method.phases() != (target.isStarted() ? STARTUP : RUNTIME)) {
                names.add(method.name());
            }
        }
        return names;
    }

    private static JsonNode version() {
        ObjectNode version = JSON.objectNode().put("version", "Gatun " + Version.TEXT);
        version.putObject("fields")
                .put("major", Version.MAJOR)
                .put("minor", Version.MINOR)
                .put("patch", Version.PATCH)
                .put("suffix", Version.SUFFIX);
        return version;
    }

    private static JsonNode reactors(Target target) {
        ObjectNode answer = JSON.objectNode()
                .put("tick_rate", TICK_RATE)
                .put("pid", ProcessHandle.current().pid());
        ArrayNode list = answer.putArray("reactors");
        int id = 1;
        for (Reactor reactor : target.reactors()) {
            Counters counters = reactor.counters();
            ObjectNode entry = list.addObject()
                    .put("lcore", Math.max(0, reactor.cpu()))
                    .put("name", reactor.name())
                    .put("pinned", reactor.cpu() >= 0)
                    .put("busy", counters.busyNanos())
                    .put("idle", counters.idleNanos())
                    .put("cycles", counters.cycles())
                    .put("sleeps", counters.sleeps())
                    .put("commands", counters.commands())
                    .put("failures", counters.failures())
                    .put("longest_cycle", counters.longestCycleNanos());
            entry.putArray("lw_threads")
                    .addObject()
                    .put("name", reactor.name())
                    .put("id", id++)
                    .put("cpumask", CpuMask.of(List.of(reactor)))
                    .put("elapsed", counters.busyNanos() + counters.idleNanos());
        }
        return answer;
    }

    private static JsonNode threads(Target target) {
        ObjectNode answer = JSON.objectNode().put("tick_rate", TICK_RATE);
        ArrayNode list = answer.putArray("threads");
        int id = 1;
        for (Reactor reactor : target.reactors()) {
            long rings = target.controllers().values().stream()
                    .flatMap(controller -> controller.backend().rings().stream())
                    .filter(ring -> ring.started() && reactor.name().equals(ring.reactor()))
                    .count();
            long queues = target.net().ports().values().stream()
                    .flatMap(port -> port.port.rxQueues().stream())
                    .filter(queue -> reactor.equals(queue.owner()))
                    .count();
            list.addObject()
                    .put("name", reactor.name())
                    .put("id", id++)
                    .put("cpumask", CpuMask.of(List.of(reactor)))
                    .put("busy", reactor.counters().busyNanos())
                    .put("idle", reactor.counters().idleNanos())
                    .put("in_interrupt", false)
                    .put("active_pollers_count", rings + queues)
                    .put("timed_pollers_count", 0)
                    .put("paused_pollers_count", 0);
        }
        return answer;
    }

    private static JsonNode subsystems() {
        ArrayNode list = JSON.arrayNode();
        list.addObject().put("subsystem", "bdev").putArray("depends_on");
        list.addObject().put("subsystem", "vhost_blk").putArray("depends_on").add("bdev");
        list.addObject().put("subsystem", "net").putArray("depends_on");
        return list;
    }

    private static JsonNode config(Target target, String subsystem) {
        return switch (subsystem) {
            case "bdev" -> BdevMethods.config(target);
            case "vhost_blk" -> VhostMethods.config(target);
            case "net" -> net(target);
            default ->
                throw new RpcException(RpcException.INVALID_PARAMS, "Subsystem '" + subsystem + "' not found");
        };
    }

    private static JsonNode net(Target target) {
        ArrayNode calls = JSON.arrayNode();
        PortMethods.config(target, calls);
        SwitchMethods.config(target, calls);
        LoopMethods.config(target, calls);
        return calls;
    }
}
