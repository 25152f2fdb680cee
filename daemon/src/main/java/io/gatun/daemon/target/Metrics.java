package io.gatun.daemon.target;

import io.gatun.bdev.virtio.BlkCounters;
import io.gatun.reactor.Counters;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.VringStatus;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A target's counters in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
 * Everything is read from counters that are kept anyway: being watched costs the data path nothing.
 */
public final class Metrics {
    private final Map<String, Family> families = new LinkedHashMap<>();

    private record Family(String help, String type, List<String> samples) {}

    private Metrics() {}

    /** All metrics now; on the thread that owns the target. */
    public static String text(Target target) {
        Metrics metrics = new Metrics();
        target.disks().forEach(disk -> metrics.disk(target, disk));
        target.controllers().values().forEach(metrics::controller);
        target.reactors().forEach(metrics::reactor);
        StringBuilder text = new StringBuilder(4096);
        metrics.families.forEach((name, family) -> {
            text.append("# HELP ").append(name).append(' ').append(family.help()).append('\n');
            text.append("# TYPE ").append(name).append(' ').append(family.type()).append('\n');
            family.samples().forEach(sample -> text.append(name).append(sample).append('\n'));
        });
        return text.toString();
    }

    private void disk(Target target, Disk disk) {
        Counts counts = IostatMethods.counts(target, disk);
        String labels = "bdev=\"" + escape(disk.name()) + "\"";
        gauge("gatun_bdev_size_bytes", "Size of the disk.", labels, disk.bdev.capacityBytes());
        String requests = "gatun_bdev_requests_total";
        String help = "Requests that completed well.";
        counter(requests, help, labels + ",operation=\"read\"", counts.reads);
        counter(requests, help, labels + ",operation=\"write\"", counts.writes);
        counter(requests, help, labels + ",operation=\"flush\"", counts.flushes);
        counter(requests, help, labels + ",operation=\"discard\"", counts.discards);
        counter(requests, help, labels + ",operation=\"write_zeroes\"", counts.writeZeroes);
        String bytes = "gatun_bdev_bytes_total";
        counter(bytes, "Bytes read and written.", labels + ",operation=\"read\"", counts.readBytes);
        counter(bytes, "Bytes read and written.", labels + ",operation=\"write\"", counts.writeBytes);
        counter("gatun_bdev_errors_total", "Requests that the medium failed.", labels, counts.errors);
        counter("gatun_bdev_refused_total", "Malformed requests of guests.", labels, counts.refused);
    }

    private void controller(Controller controller) {
        String name = "ctrlr=\"" + escape(controller.name()) + "\"";
        gauge(
                "gatun_vhost_connected",
                "Whether a front-end is connected.",
                name,
                controller.backend().connected() ? 1 : 0);
        for (VringStatus ring : controller.backend().rings()) {
            if (ring.counters().starts() == 0) {
                continue;
            }
            BlkCounters counters = controller.device().counters().get(ring.index());
            String labels = name + ",queue=\"" + ring.index() + "\"";
            gauge("gatun_queue_started", "Whether the guest has started the queue.", labels, ring.started() ? 1 : 0);
            gauge("gatun_queue_size", "Descriptors of the ring.", labels, ring.size());
            counter("gatun_queue_chains_total", "Requests taken from the ring.", labels, ring.counters().chains());
            counter("gatun_queue_publishes_total", "Bursts given back.", labels, ring.counters().publishes());
            counter("gatun_queue_kicks_total", "Notifications by the guest.", labels, ring.counters().kicks());
            counter("gatun_queue_calls_total", "Interrupts sent to the guest.", labels, ring.counters().calls());
            counter("gatun_queue_broken_total", "Violations that stopped the ring.", labels, ring.counters().broken());
            counter("gatun_queue_reads_total", "Reads that completed well.", labels, counters.reads());
            counter("gatun_queue_writes_total", "Writes that completed well.", labels, counters.writes());
            counter("gatun_queue_read_bytes_total", "Bytes read.", labels, counters.readBytes());
            counter("gatun_queue_written_bytes_total", "Bytes written.", labels, counters.writeBytes());
        }
    }

    private void reactor(Reactor reactor) {
        Counters counters = reactor.counters();
        String labels = "reactor=\"" + escape(reactor.name()) + "\",cpu=\"" + reactor.cpu() + "\"";
        String busy = seconds(counters.busyNanos());
        String idle = seconds(counters.idleNanos());
        sample("gatun_reactor_busy_seconds_total", "Time with work.", "counter", labels, busy);
        sample("gatun_reactor_idle_seconds_total", "Time without work.", "counter", labels, idle);
        counter("gatun_reactor_cycles_total", "Duty cycles.", labels, counters.cycles());
        counter("gatun_reactor_busy_cycles_total", "Duty cycles that did work.", labels, counters.busyCycles());
        counter("gatun_reactor_sleeps_total", "Times the reactor went to sleep.", labels, counters.sleeps());
        counter("gatun_reactor_failures_total", "Pollers and commands that threw.", labels, counters.failures());
        sample(
                "gatun_reactor_longest_cycle_seconds",
                "Upper bound of the longest duty cycle.",
                "gauge",
                labels,
                seconds(counters.longestCycleNanos()));
    }

    private void counter(String name, String help, String labels, long value) {
        sample(name, help, "counter", labels, Long.toString(value));
    }

    private void gauge(String name, String help, String labels, long value) {
        sample(name, help, "gauge", labels, Long.toString(value));
    }

    private void sample(String name, String help, String type, String labels, String value) {
        families.computeIfAbsent(name, _ -> new Family(help, type, new ArrayList<>()))
                .samples()
                .add("{" + labels + "} " + value);
    }

    /** Nanoseconds as seconds, which is what Prometheus wants times in. */
    private static String seconds(long nanos) {
        return BigDecimal.valueOf(nanos, 9).toPlainString();
    }

    private static String escape(String label) {
        return label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
    }
}
