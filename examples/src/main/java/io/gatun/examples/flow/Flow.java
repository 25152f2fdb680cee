package io.gatun.examples.flow;

import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/**
 * One flow and what it has carried.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class Flow {
    static final int DEFAULT_PRIORITY = 32768;

    final int table;
    final int priority;
    final long cookie;
    final Match match;
    final List<Action> actions;
    final long madeNanos = System.nanoTime();
    final LongAdder packets = new LongAdder();
    final LongAdder bytes = new LongAdder();

    Flow(int table, int priority, long cookie, Match match, List<Action> actions) {
        this.table = table;
        this.priority = priority;
        this.cookie = cookie;
        this.match = match;
        this.actions = List.copyOf(actions);
    }

    /** Whether it is in the place of another: of the same table, priority and match. */
    boolean replaces(Flow other) {
        return table == other.table && priority == other.priority && match.equals(other.match);
    }
}
