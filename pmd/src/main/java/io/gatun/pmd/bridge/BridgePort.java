package io.gatun.pmd.bridge;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;

/**
 * A port's place in a switch: its number, its options, and a {@link Lane} for each of its receive queues.
 *
 * <p><b>Thread-safety:</b> as {@link Forwarder}; fields do not change.
 */
final class BridgePort implements Forwarder {
    final int number;
    final Port port;
    final BridgePortOptions options;
    final Vlans vlans;
    final int rxQueues;
    final int txQueues;

    /** Limits on what comes in, shared by the queues; null for none. */
    final RateMeter packetRate;

    final RateMeter byteRate;

    private final Bridge bridge;
    private final Lane[] lanes;

    BridgePort(Bridge bridge, int number, Port port, BridgePortOptions options) {
        this.bridge = bridge;
        this.number = number;
        this.port = port;
        this.options = options;
        vlans = new Vlans(options);
        rxQueues = port.rxQueues().size();
        txQueues = port.txQueues().size();
        long now = System.nanoTime();
        packetRate = options.packetsPerSecond() == 0 ? null : new RateMeter(options.packetsPerSecond(), now);
        byteRate = options.bytesPerSecond() == 0 ? null : new RateMeter(options.bytesPerSecond(), now);
        lanes = port.rxQueues().stream()
                .map(queue -> new Lane(this, queue, bridge.table()))
                .toArray(Lane[]::new);
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        lanes[from.index()].forward(bridge.members(), burst);
    }

    @Override
    public void linkChanged(Port changed, boolean up) {
        if (!up) {
            bridge.table().flush(number);
        }
    }

    /** Packets that this port sent to all others. */
    long flooded() {
        long sum = 0;
        for (Lane lane : lanes) {
            sum += lane.flooded();
        }
        return sum;
    }

    @Override
    public String toString() {
        return port.name();
    }
}
