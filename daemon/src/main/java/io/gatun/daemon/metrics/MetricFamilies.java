package io.gatun.daemon.metrics;

import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Gathers values that were counted elsewhere, family by family. A family is known by its full name, as it is scraped.
 *
 * <p><b>Thread-safety:</b> one thread; what {@link #snapshots} returns is immutable.
 */
public final class MetricFamilies {
    /** Scraped counters end so; the model's names do not. */
    private static final String COUNTER_SUFFIX = "_total";

    private final Map<String, CounterSnapshot.Builder> counters = new LinkedHashMap<>();
    private final Map<String, GaugeSnapshot.Builder> gauges = new LinkedHashMap<>();

    /** Adds a value that only grows; {@code name} ends in {@code _total}. */
    public void counter(String name, String help, Labels labels, double value) {
        assert name.endsWith(COUNTER_SUFFIX) : name;
        counters.computeIfAbsent(name, _ -> CounterSnapshot.builder().name(modelName(name)).help(help))
                .dataPoint(CounterDataPointSnapshot.builder()
                        .labels(labels)
                        .value(value)
                        .build());
    }

    /** Adds a value that goes up and down. */
    public void gauge(String name, String help, Labels labels, double value) {
        gauges.computeIfAbsent(name, _ -> GaugeSnapshot.builder().name(name).help(help))
                .dataPoint(GaugeDataPointSnapshot.builder()
                        .labels(labels)
                        .value(value)
                        .build());
    }

    /** All that was added. */
    public MetricSnapshots snapshots() {
        MetricSnapshots.Builder all = MetricSnapshots.builder();
        counters.values().forEach(family -> all.metricSnapshot(family.build()));
        gauges.values().forEach(family -> all.metricSnapshot(family.build()));
        return all.build();
    }

    private static String modelName(String name) {
        return name.substring(0, name.length() - COUNTER_SUFFIX.length());
    }
}
