package io.gatun.examples.flow;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;

/**
 * All flows at one moment, by table, the highest priority first.
 *
 * <p><b>Thread-safety:</b> immutable; a change makes new tables, which also says to every cache that it is out of date.
 */
final class FlowTables {
    /** Tables are numbered from 0 to 253, as in OpenFlow. */
    static final int COUNT = 254;

    static final FlowTables EMPTY = new FlowTables(List.of());

    private static final Comparator<Flow> ORDER = Comparator.<Flow>comparingInt(flow -> flow.table)
            .thenComparing(Comparator.<Flow>comparingInt(flow -> flow.priority).reversed());

    private final List<Flow> flows;
    private final Flow[][] byTable = new Flow[COUNT][];

    private FlowTables(List<Flow> flows) {
        this.flows = flows;
        for (int i = 0; i < COUNT; i++) {
            int table = i;
            byTable[i] = flows.stream().filter(flow -> flow.table == table).toArray(Flow[]::new);
        }
    }

    /** The flow of the highest priority that matches a key, or null. */
    Flow find(int table, long[] key) {
        for (Flow flow : byTable[table]) {
            if (flow.match.matches(key)) {
                return flow;
            }
        }
        return null;
    }

    /** In the order of tables and priorities. */
    List<Flow> flows() {
        return flows;
    }

    FlowTables with(Flow added) {
        List<Flow> next = new ArrayList<>(flows);
        next.removeIf(added::replaces);
        next.add(added);
        next.sort(ORDER);
        return new FlowTables(List.copyOf(next));
    }

    FlowTables without(Predicate<Flow> removed) {
        return new FlowTables(flows.stream().filter(removed.negate()).toList());
    }
}
