package io.gatun.examples.flow;

import io.gatun.pmd.Port;
import io.gatun.pmd.bridge.MacEntry;
import java.util.Arrays;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The commands of the switch, a line each, named as in ovs-ofctl(8) and ovs-appctl(8).
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class FlowCommands {
    private static final String HELP =
            """
            add-flow FLOW                   e.g. add-flow priority=10,tcp,tp_dst=80,actions=output:2
            del-flows [--strict] [MATCH]    all flows, or those within a match, e.g. tcp or cookie=0x1/-1
            dump-flows [MATCH]              with packets and bytes
            dump-ports                      what each port has carried
            fdb/show                        what NORMAL has learned
            help
            """;

    private final FlowSwitch flowSwitch;

    FlowCommands(FlowSwitch flowSwitch) {
        this.flowSwitch = flowSwitch;
    }

    /** Runs a command and returns its answer: lines, or one that starts with {@code error:}. */
    String run(String line) {
        String[] words = line.strip().split("\\s+", 2);
        String rest = withoutName(words.length < 2 ? "" : words[1]);
        try {
            return switch (words[0]) {
                case "add-flow" -> add(rest);
                case "del-flows" -> delete(rest);
                case "dump-flows" -> dump(rest);
                case "dump-ports" -> ports();
                case "fdb/show" -> macs();
                case "help" -> HELP;
                case "" -> "";
                default -> "error: unknown command " + words[0] + "; try help\n";
            };
        } catch (IllegalArgumentException wrong) {
            return "error: " + wrong.getMessage() + "\n";
        }
    }

    /** The switch's name may come first, as ovs-ofctl wants it, and quotes as a shell takes them. */
    private String withoutName(String text) {
        String rest = text.strip();
        boolean named = rest.equals(flowSwitch.name()) || rest.startsWith(flowSwitch.name() + " ");
        return (named ? rest.substring(flowSwitch.name().length()) : rest).replace("\"", "").replace("'", "").strip();
    }

    private FlowParser parser() {
        return new FlowParser(name -> Arrays.stream(flowSwitch.numbers())
                .filter(number -> flowSwitch.member(number).port().name().equals(name))
                .findAny()
                .orElse(-1));
    }

    private String add(String text) {
        flowSwitch.add(parser().flow(text));
        return "";
    }

    private String delete(String text) {
        boolean strict = text.startsWith("--strict");
        FlowParser parsed = parser().filter(strict ? withoutName(text.substring("--strict".length())) : text);
        flowSwitch.remove(strict ? exactly(parsed) : within(parsed));
        return "";
    }

    private String dump(String text) {
        return lines(flowSwitch.tables().flows().stream()
                .filter(within(parser().filter(text)))
                .map(FlowText::flow));
    }

    private static Predicate<Flow> within(FlowParser parsed) {
        if (parsed.priority >= 0) {
            throw new IllegalArgumentException("a priority is for add-flow and del-flows --strict");
        }
        return flow -> isPlaced(flow, parsed) && parsed.match.covers(flow.match);
    }

    private static Predicate<Flow> exactly(FlowParser parsed) {
        int priority = parsed.priority < 0 ? Flow.DEFAULT_PRIORITY : parsed.priority;
        return flow -> isPlaced(flow, parsed) && flow.match.equals(parsed.match) && flow.priority == priority;
    }

    /** Whether a flow has the table and the cookie that are asked for, if any are. */
    private static boolean isPlaced(Flow flow, FlowParser parsed) {
        return (parsed.table < 0 || flow.table == parsed.table)
                && ((flow.cookie ^ parsed.cookie) & parsed.cookieMask) == 0;
    }

    private String ports() {
        return lines(Arrays.stream(flowSwitch.numbers()).mapToObj(number -> {
            Port port = flowSwitch.member(number).port();
            return String.format(
                    "  port %d (%s): rx pkts=%d, bytes=%d, drop=%d%n           tx pkts=%d, bytes=%d, drop=%d",
                    number,
                    port.name(),
                    port.rxQueues().stream().mapToLong(q -> q.counters().packets()).sum(),
                    port.rxQueues().stream().mapToLong(q -> q.counters().bytes()).sum(),
                    port.rxQueues().stream().mapToLong(q -> q.counters().dropped()).sum(),
                    port.txQueues().stream().mapToLong(q -> q.counters().packets()).sum(),
                    port.txQueues().stream().mapToLong(q -> q.counters().bytes()).sum(),
                    port.txQueues().stream().mapToLong(q -> q.counters().dropped()).sum());
        }));
    }

    private String macs() {
        return lines(Stream.concat(
                Stream.of(" port  VLAN  MAC                Age"),
                flowSwitch.bridge().macs().stream().map(this::mac)));
    }

    private String mac(MacEntry entry) {
        return String.format(
                "%5s  %4d  %s  %3d", entry.port().name(), entry.vlan(), entry.macText(), entry.ageSeconds());
    }

    private static String lines(Stream<String> lines) {
        return lines.map(line -> line + "\n").collect(Collectors.joining());
    }
}
