package io.gatun.daemon.target;

import io.gatun.daemon.metrics.MetricFamilies;
import io.gatun.pmd.Drop;
import io.gatun.pmd.QueueCounters;
import io.prometheus.metrics.model.snapshots.Labels;

/** Packet ports as Prometheus metrics; a direction is seen from Gatun: what a guest sends is {@code rx}. */
final class NetMetrics {
    private final MetricFamilies families;

    NetMetrics(MetricFamilies families) {
        this.families = families;
    }

    void port(NetPort port) {
        Labels name = Labels.of("port", port.name(), "type", port.kind.name());
        families.gauge("gatun_port_link", "Whether the port has a peer that takes packets.", name,
                port.port.linkUp() ? 1 : 0);
        families.gauge("gatun_port_mtu_bytes", "The port's MTU.", name, port.port.mtu());
        Labels labels = Labels.of("port", port.name());
        port.port.rxQueues().forEach(queue -> queue(labels, "rx", queue.index(), queue.counters()));
        port.port.txQueues().forEach(queue -> queue(labels, "tx", queue.index(), queue.counters()));
    }

    void bridge(NetSwitch each) {
        Labels name = Labels.of("switch", each.bridge.name());
        families.gauge("gatun_switch_macs", "Addresses that the switch knows.", name, each.bridge.macCount());
        counter("gatun_switch_mac_moves_total", "Addresses seen at another port.", name, each.bridge.macMoves());
        counter("gatun_switch_mac_refusals_total", "Addresses beyond a limit.", name, each.bridge.macRefusals());
        counter("gatun_switch_flooded_total", "Packets sent to all ports.", name, each.bridge.flooded());
    }

    private void queue(Labels port, String direction, int index, QueueCounters counters) {
        Labels labels = port.add("direction", direction).add("queue", Integer.toString(index));
        counter("gatun_port_bytes_total", "Bytes carried.", labels, counters.bytes());
        counter(
                "gatun_port_segmented_total",
                "Packets carried that the receiver is to segment.",
                labels,
                counters.segmented());
        for (int i = 0; i < QueueCounters.sizeClasses(); i++) {
            int bound = QueueCounters.sizeBound(i);
            counter(
                    "gatun_port_packets_total",
                    "Packets carried, by the largest length in bytes of their class.",
                    labels.add("size", bound == Integer.MAX_VALUE ? "more" : Integer.toString(bound)),
                    counters.sized(i));
        }
        for (Drop cause : Drop.values()) {
            counter(
                    "gatun_port_dropped_total",
                    "Packets dropped, by cause.",
                    labels.add("cause", cause.label()),
                    counters.dropped(cause));
        }
    }

    private void counter(String name, String help, Labels labels, long value) {
        families.counter(name, help, labels, (double) value);
    }
}
