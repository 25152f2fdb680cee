package io.gatun.daemon.target;

import io.gatun.bdev.virtio.BlkCounters;
import io.gatun.daemon.metrics.MetricFamilies;
import io.gatun.nvme.HostErrorLog;
import io.gatun.nvme.NvmeStatus;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.reactor.Counters;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.VringStatus;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.Objects;

/**
 * A target's counters as Prometheus metrics. Everything is read from counters that are kept anyway: being watched costs
 * the data path nothing.
 */
public final class Metrics {
    private static final double NANOS = 1e9;

    private final MetricFamilies families = new MetricFamilies();

    private Metrics() {}

    /** All metrics now; on the thread that owns the target. */
    public static MetricSnapshots snapshot(Target target) {
        Metrics metrics = new Metrics();
        target.disks().forEach(disk -> metrics.disk(target, disk));
        target.nvme().all().stream().map(NvmeDrives.Entry::drive).filter(Objects::nonNull).forEach(metrics::drive);
        target.controllers().values().forEach(metrics::controller);
        NetMetrics net = new NetMetrics(metrics.families);
        target.net().ports().values().forEach(net::port);
        target.net().switches().values().forEach(net::bridge);
        target.reactors().forEach(metrics::reactor);
        return metrics.families.snapshots();
    }

    private void disk(Target target, Disk disk) {
        Counts counts = IostatMethods.counts(target, disk);
        Labels labels = Labels.of("bdev", disk.name());
        gauge("gatun_bdev_size_bytes", "Size of the disk.", labels, disk.bdev.capacityBytes());
        String requests = "gatun_bdev_requests_total";
        String help = "Requests that completed well.";
        counter(requests, help, labels.add("operation", "read"), counts.reads);
        counter(requests, help, labels.add("operation", "write"), counts.writes);
        counter(requests, help, labels.add("operation", "flush"), counts.flushes);
        counter(requests, help, labels.add("operation", "discard"), counts.discards);
        counter(requests, help, labels.add("operation", "write_zeroes"), counts.writeZeroes);
        String bytes = "gatun_bdev_bytes_total";
        counter(bytes, "Bytes read and written.", labels.add("operation", "read"), counts.readBytes);
        counter(bytes, "Bytes read and written.", labels.add("operation", "write"), counts.writeBytes);
        counter("gatun_bdev_errors_total", "Requests that the medium failed.", labels, counts.errors);
        counter("gatun_bdev_refused_total", "Malformed requests of guests.", labels, counts.refused);
    }

    private void drive(NvmeDrive drive) {
        HostErrorLog errors = drive.controller().hostErrors();
        Labels name = Labels.of("drive", drive.name());
        String media = "gatun_nvme_media_errors_total";
        counter(media, "Commands that a drive failed for its media.", name, errors.mediaErrorCount());
        for (HostErrorLog.Count count : errors.counts()) {
            Labels labels = name.add("nsid", Integer.toUnsignedString(count.namespaceId()))
                    .add("status", NvmeStatus.describe(count.status()));
            String help = "Commands that a drive completed with an error; admin commands have namespace 0.";
            counter("gatun_nvme_errors_total", help, labels, count.commands());
        }
    }

    private void controller(Controller controller) {
        Labels name = Labels.of("ctrlr", controller.name());
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
            Labels labels = name.add("queue", Integer.toString(ring.index()));
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
        Labels labels = Labels.of("reactor", reactor.name(), "cpu", Integer.toString(reactor.cpu()));
        seconds("gatun_reactor_busy_seconds_total", "Time with work.", labels, counters.busyNanos());
        seconds("gatun_reactor_idle_seconds_total", "Time without work.", labels, counters.idleNanos());
        counter("gatun_reactor_cycles_total", "Duty cycles.", labels, counters.cycles());
        counter("gatun_reactor_busy_cycles_total", "Duty cycles that did work.", labels, counters.busyCycles());
        counter("gatun_reactor_sleeps_total", "Times the reactor went to sleep.", labels, counters.sleeps());
        counter("gatun_reactor_failures_total", "Pollers and commands that threw.", labels, counters.failures());
        families.gauge(
                "gatun_reactor_longest_cycle_seconds",
                "Upper bound of the longest duty cycle.",
                labels,
                counters.longestCycleNanos() / NANOS);
    }

    private void counter(String name, String help, Labels labels, long value) {
        families.counter(name, help, labels, (double) value);
    }

    private void gauge(String name, String help, Labels labels, long value) {
        families.gauge(name, help, labels, (double) value);
    }

    /** Prometheus wants times in seconds. */
    private void seconds(String name, String help, Labels labels, long nanos) {
        families.counter(name, help, labels, nanos / NANOS);
    }
}
