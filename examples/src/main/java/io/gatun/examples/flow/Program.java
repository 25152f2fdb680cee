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

    Program(List<Action> operations, List<Flow> flows) {
        this.operations = operations.toArray(Action[]::new);
        this.flows = flows.toArray(Flow[]::new);
    }

    /** Counts packets for each flow on the way. */
    void count(int packets, long bytes) {
        for (Flow flow : flows) {
            flow.packets.add(packets);
            flow.bytes.add(bytes);
        }
    }
}
