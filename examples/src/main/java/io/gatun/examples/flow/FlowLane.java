package io.gatun.examples.flow;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.RxQueue;

/**
 * What one receive queue needs to do with a burst what the flows say: packets with the same program are done together.
 *
 * <p><b>Thread-safety:</b> the thread of the queue's owner. Allocates only for a key that it has not seen.
 */
final class FlowLane {
    private final FlowSwitch flowSwitch;
    private final int inPort;
    private final Forwarder normal;
    private final KeyReader reader = new KeyReader();
    private final ProgramCache cache = new ProgramCache();
    private final HeaderEdit edit = new HeaderEdit();
    private final Burst copies = new Burst();
    private final long[] key = new long[Field.WORDS];
    private final Program[] programs = new Program[Burst.CAPACITY];
    private final int[] selected = new int[Burst.CAPACITY];

    /** {@code normal} is the learning switch's side of the same port. */
    FlowLane(FlowSwitch flowSwitch, int inPort, Forwarder normal) {
        this.flowSwitch = flowSwitch;
        this.inPort = inPort;
        this.normal = normal;
    }

    void forward(RxQueue from, Burst burst) {
        FlowTables tables = flowSwitch.tables();
        int count = burst.count;
        for (int i = 0; i < count; i++) {
            if (reader.read(burst, i, inPort, key)) {
                programs[i] = cache.get(tables, key);
            } else {
                programs[i] = null;
                from.counters().drop(Drop.BAD_HEADER, 1);
            }
        }
        for (int first = 0; first < count; first++) {
            Program program = programs[first];
            if (program != null) {
                run(program, from, burst, take(program, first, count));
            }
        }
    }

    /** Selects the packets of a program, from the first one on, in order. */
    private int take(Program program, int first, int count) {
        int taken = 0;
        for (int i = first; i < count; i++) {
            if (programs[i] == program) {
                selected[taken++] = i;
                programs[i] = null;
            }
        }
        return taken;
    }

    private void run(Program program, RxQueue from, Burst burst, int count) {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes += burst.lengths[selected[i]];
        }
        program.count(count, bytes);
        if (!program.sends) {
            from.counters().drop(Drop.REFUSED, count);
            return;
        }
        for (Action action : program.operations) {
            switch (action) {
                case Action.Output output -> output(output.port(), from, burst, count);
                case Action.Word word -> run(word, from, burst, count);
                case Action.SetField set -> {
                    for (int i = 0; i < count; i++) {
                        edit.set(burst, selected[i], set);
                    }
                }
                case Action.PushVlan push -> {
                    for (int i = 0; i < count; i++) {
                        edit.push(burst, selected[i], push.etherType());
                    }
                }
                case Action.PopVlan pop -> {
                    for (int i = 0; i < count; i++) {
                        edit.pop(burst, selected[i]);
                    }
                }
                default -> throw new IllegalStateException("not in a program: " + action);
            }
        }
    }

    private void run(Action.Word word, RxQueue from, Burst burst, int count) {
        switch (word) {
            case IN_PORT -> output(inPort, from, burst, count);
            case NORMAL -> learnAndForward(from, burst, count);
            case FLOOD, ALL -> {
                for (int number : flowSwitch.numbers()) {
                    if (number != inPort) {
                        output(number, from, burst, count);
                    }
                }
            }
        }
    }

    private void output(int number, RxQueue from, Burst burst, int count) {
        FlowSwitch.Member member = flowSwitch.member(number);
        if (member == null) {
            from.counters().drop(Drop.NO_DESTINATION, count);
        } else {
            member.port().txFor(from.index()).send(burst, selected, count);
        }
    }

    /** The learning switch gets a burst of its own: views of these packets, and their private heads. */
    private void learnAndForward(RxQueue from, Burst burst, int count) {
        copies.clear();
        for (int i = 0; i < count; i++) {
            copies.addFrom(burst, selected[i]);
        }
        normal.forward(from, copies);
    }

    /** Frees private memory; the queue's owner does not come here any more. */
    void close() {
        copies.close();
    }
}
