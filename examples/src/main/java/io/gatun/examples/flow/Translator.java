package io.gatun.examples.flow;

import java.util.ArrayList;
import java.util.List;

/**
 * Leads a key through the tables and notes what is to be done.
 *
 * <p>Bounded, whatever the flows say: a packet that passes more than {@value #MAX_DEPTH} flows within each other, or
 * gathers more than {@value #MAX_OPERATIONS} operations, is dropped.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class Translator {
    private static final int MAX_DEPTH = 32;
    private static final int MAX_OPERATIONS = 256;

    private final List<Action> operations = new ArrayList<>();
    private final List<Flow> flows = new ArrayList<>();
    private final long[] key = new long[Field.WORDS];
    private FlowTables tables;
    private int inPort;
    private boolean tooMuch;

    Translator() {}

    /** What the tables say of a key. */
    Program translate(FlowTables from, long[] packetKey) {
        operations.clear();
        flows.clear();
        System.arraycopy(packetKey, 0, key, 0, Field.WORDS);
        tables = from;
        inPort = (int) Field.IN_PORT.get(packetKey);
        tooMuch = false;
        visit(0, 0);
        if (tooMuch) {
            operations.clear();
        }
        return new Program(operations, flows);
    }

    private void visit(int table, int depth) {
        Flow flow = tables.find(table, key);
        if (flow == null || tooMuch) {
            return;
        }
        if (depth > MAX_DEPTH || flows.size() > MAX_OPERATIONS) {
            tooMuch = true;
            return;
        }
        flows.add(flow);
        for (Action action : flow.actions) {
            switch (action) {
                case Action.GotoTable next -> visit(next.table(), depth + 1);
                case Action.Resubmit resubmit -> resubmit(resubmit, depth);
                case Action.Output output -> {
                    if (output.port() != inPort) {
                        add(output);
                    }
                }
                default -> change(action);
            }
        }
    }

    private void resubmit(Action.Resubmit resubmit, int depth) {
        long before = Field.IN_PORT.get(key);
        if (resubmit.port() >= 0) {
            Field.IN_PORT.put(key, 0, resubmit.port());
        }
        visit(resubmit.table(), depth + 1);
        Field.IN_PORT.put(key, 0, before);
    }

    /** Later tables match what earlier actions have written. */
    private void change(Action action) {
        long tag = Field.VLAN_TCI.get(key);
        switch (action) {
            case Action.SetField(Field field, long high, long low) -> {
                field.put(key, high, low);
                if (field == Field.DL_VLAN || field == Field.DL_VLAN_PCP) {
                    Field.VLAN_TCI.put(key, 0, Field.VLAN_TCI.get(key) | Field.TAG_PRESENT);
                }
            }
            case Action.PushVlan push -> Field.VLAN_TCI.put(key, 0, tag | Field.TAG_PRESENT);
            case Action.PopVlan pop -> Field.VLAN_TCI.put(key, 0, 0);
            default -> {
                // Nothing to note.
            }
        }
        add(action);
    }

    private void add(Action action) {
        tooMuch |= operations.size() >= MAX_OPERATIONS;
        if (!tooMuch) {
            operations.add(action);
        }
    }
}
