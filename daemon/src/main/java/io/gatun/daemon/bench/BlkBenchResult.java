package io.gatun.daemon.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * What a run measured.
 *
 * @param options what was asked
 * @param hugepages whether the data lay on hugepages
 * @param seconds how long was measured
 * @param operations requests completed in that time
 * @param iops requests per second, all queues together
 * @param gigabytesPerSecond data per second, in units of 10⁹ bytes
 * @param latency of all queues together
 * @param queues each queue by itself
 * @param kicks how often the device wanted to be notified, outside of the measured time too
 * @param verifiedBlocks how many blocks reads were checked in; 0 without verification
 * @param mismatches how many of them were wrong
 * @param firstMismatches the first of those, in words
 */
public record BlkBenchResult(
        BlkBenchOptions options,
        boolean hugepages,
        double seconds,
        long operations,
        double iops,
        double gigabytesPerSecond,
        Latency latency,
        List<QueueResult> queues,
        long kicks,
        long verifiedBlocks,
        long mismatches,
        List<String> firstMismatches) {

    /** A distribution of latencies, in microseconds. */
    public record Latency(double average, double p50, double p90, double p99, double p999, double max) {
        static Latency of(Histogram nanos) {
            return new Latency(
                    nanos.getMean() / 1000,
                    nanos.getValueAtPercentile(50) / 1000.0,
                    nanos.getValueAtPercentile(90) / 1000.0,
                    nanos.getValueAtPercentile(99) / 1000.0,
                    nanos.getValueAtPercentile(99.9) / 1000.0,
                    nanos.getMaxValue() / 1000.0);
        }

        Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("avg_us", average);
            map.put("p50_us", p50);
            map.put("p90_us", p90);
            map.put("p99_us", p99);
            map.put("p99_9_us", p999);
            map.put("max_us", max);
            return map;
        }
    }

    /** One queue's share; {@code core} is -1 where its thread was not pinned. */
    public record QueueResult(int index, int core, long operations, double iops, Latency latency) {
        Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("queue", index);
            map.put("core", core);
            map.put("operations", operations);
            map.put("iops", iops);
            map.put("latency", latency.toMap());
            return map;
        }
    }

    /** For JSON: numbers, strings, booleans, lists and maps only. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("device", options.device().name().toLowerCase(java.util.Locale.ROOT));
        map.put("socket", options.socket() == null ? "" : options.socket().toString());
        map.put("rw", options.mode().label());
        map.put("bs", options.blockSizeBytes());
        map.put("qd", options.queueDepth());
        map.put("num_queues", options.queues());
        map.put("packed", options.packed());
        map.put("hugepages", hugepages);
        map.put("seconds", seconds);
        map.put("operations", operations);
        map.put("iops", iops);
        map.put("gb_per_second", gigabytesPerSecond);
        map.put("latency", latency.toMap());
        map.put("queues", queues.stream().map(QueueResult::toMap).toList());
        map.put("kicks", kicks);
        map.put("verify", options.verify());
        map.put("verified_blocks", verifiedBlocks);
        map.put("mismatches", mismatches);
        map.put("first_mismatches", firstMismatches);
        return map;
    }
}
