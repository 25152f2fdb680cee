package io.gatun.pmd.loop;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Port;
import io.gatun.pmd.TxQueue;
import java.util.List;

/** What one receive queue of a loop needs: where its packets go, and room to name those that do. */
final class Lane {
    final TxQueue exit;
    final int[] chosen = new int[Burst.CAPACITY];

    private Lane(TxQueue exit) {
        this.exit = exit;
    }

    /** A lane for each receive queue of {@code from}, to the queue of the same number of {@code to}. */
    static Lane[] between(Port from, Port to) {
        List<? extends TxQueue> exits = to.txQueues();
        if (exits.isEmpty()) {
            throw new IllegalArgumentException("port " + to.name() + " has no transmit queue");
        }
        Lane[] lanes = new Lane[from.rxQueues().size()];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = new Lane(exits.get(i % exits.size()));
        }
        return lanes;
    }
}
