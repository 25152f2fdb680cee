package io.gatun.examples.flow;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.bridge.Bridge;
import io.gatun.pmd.bridge.BridgeOptions;
import io.gatun.pmd.bridge.BridgePortOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/**
 * A switch that does what its flows say. It begins with one, as Open vSwitch does: {@code priority=0 actions=NORMAL}.
 *
 * <p><b>Thread-safety:</b> any thread; reactors see changed flows with their next burst.
 */
final class FlowSwitch implements AutoCloseable {
    private final Bridge bridge;
    private volatile FlowTables tables = FlowTables.EMPTY.with(
            new Flow(0, 0, 0, new Match(), List.of(Action.Word.NORMAL)));
    private volatile Member[] members = {};
    private volatile int[] numbers = {};

    /** A port with its OpenFlow number and its lanes, by receive queue. */
    record Member(int number, Port port, Forwarder normal, List<FlowLane> lanes) implements Forwarder {
        @Override
        public void forward(RxQueue from, Burst burst) {
            lanes.get(from.index()).forward(from, burst);
        }

        @Override
        public void linkChanged(Port changed, boolean up) {
            normal.linkChanged(changed, up);
        }
    }

    FlowSwitch(String name) {
        bridge = new Bridge(name, BridgeOptions.DEFAULT);
    }

    String name() {
        return bridge.name();
    }

    /** The learning switch behind {@code NORMAL}. */
    Bridge bridge() {
        return bridge;
    }

    /** Adds a port and returns its number; the first one is 1. */
    synchronized int addPort(Port port) {
        int number = Math.max(members.length, 1);
        Forwarder normal = bridge.addPort(port, BridgePortOptions.DEFAULT);
        List<FlowLane> lanes = new ArrayList<>();
        for (int i = 0; i < port.rxQueues().size(); i++) {
            lanes.add(new FlowLane(this, number, normal));
        }
        Member[] next = Arrays.copyOf(members, number + 1);
        next[number] = new Member(number, port, normal, List.copyOf(lanes));
        int[] all = Arrays.copyOf(numbers, numbers.length + 1);
        all[numbers.length] = number;
        members = next;
        numbers = all;
        port.forwardTo(next[number]);
        return number;
    }

    /** The port with a number, or null. */
    Member member(int number) {
        Member[] now = members;
        return number < now.length ? now[number] : null;
    }

    /** The numbers of all ports. */
    int[] numbers() {
        return numbers;
    }

    FlowTables tables() {
        return tables;
    }

    /** Adds a flow, or puts it in the place of one with the same table, priority and match. */
    synchronized void add(Flow flow) {
        tables = tables.with(flow);
    }

    /** Removes flows and returns how many. */
    synchronized int remove(Predicate<Flow> which) {
        FlowTables before = tables;
        tables = before.without(which);
        return before.flows().size() - tables.flows().size();
    }

    /** Takes the ports off and waits until no reactor uses them for this switch any more. */
    @Override
    public synchronized void close() {
        bridge.close();
        for (int number : numbers) {
            members[number].lanes().forEach(FlowLane::close);
        }
        numbers = new int[0];
        members = new Member[0];
    }
}
