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
    private static final int TAG_BITS = 16;

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
        visit(0, inPort, 0);
        if (tooMuch) {
            operations.clear();
        }
        return new Program(operations, flows);
    }

    /** Looks a table up as if the packet had come from {@code port}: that is for this one look. */
    private void visit(int table, int port, int depth) {
        Field.IN_PORT.put(key, 0, port);
        Flow flow = tables.find(table, key);
        Field.IN_PORT.put(key, 0, inPort);
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
                case Action.GotoTable next -> visit(next.table(), inPort, depth + 1);
                case Action.Resubmit(int from, int to) -> visit(to, from < 0 ? inPort : from, depth + 1);
                case Action.Output output -> {
                    if (output.port() != inPort) {
                        add(output);
                    }
                }
                default -> change(action);
            }
        }
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
            case Action.PushVlan push -> {
                key[Field.TAGS_BELOW] = key[Field.TAGS_BELOW] << TAG_BITS | tag;
                Field.VLAN_TCI.put(key, 0, tag | Field.TAG_PRESENT);
            }
            case Action.PopVlan pop -> {
                Field.VLAN_TCI.put(key, 0, key[Field.TAGS_BELOW]);
                key[Field.TAGS_BELOW] >>>= TAG_BITS;
            }
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
