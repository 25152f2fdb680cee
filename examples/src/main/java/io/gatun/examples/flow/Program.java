package io.gatun.examples.flow;

import java.util.List;

/**
 * What is done with the packets of one key, straight: no tables any more.
 *
 * <p><b>Thread-safety:</b> immutable, the flows' counters aside.
 */
final class Program {
    final Action[] operations;
    final Flow[] flows;

    /** Whether there is anything that sends. */
    final boolean sends;

    Program(List<Action> operations, List<Flow> flows) {
        this.operations = operations.toArray(Action[]::new);
        this.flows = flows.toArray(Flow[]::new);
        sends = operations.stream().anyMatch(a -> a instanceof Action.Output || a instanceof Action.Word);
    }

    /** Counts packets for each flow on the way. */
    void count(int packets, long bytes) {
        for (Flow flow : flows) {
            flow.packets.add(packets);
            flow.bytes.add(bytes);
        }
    }
}
