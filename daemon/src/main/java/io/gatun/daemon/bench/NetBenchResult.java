package io.gatun.daemon.bench;

import io.gatun.daemon.bench.BlkBenchResult.Latency;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a run measured.
 *
 * @param options what was asked
 * @param hugepages whether the packets lay on hugepages
 * @param seconds how long was measured
 * @param sentPerSecond packets per second that the server took
 * @param receivedPerSecond packets per second that came
 * @param sent packets that the server took, outside of the measured time too
 * @param received packets that came, likewise
 * @param lost packets that did not come back ({@code echo}), or whose numbers were skipped ({@code rx} verified)
 * @param latency of the round trips in {@code echo}, else empty
 * @param verified packets whose bytes were checked
 * @param faults packets that were wrong, strange or out of order
 * @param firstFaults the first of those, in words
 */
public record NetBenchResult(
        NetBenchOptions options,
        boolean hugepages,
        double seconds,
        double sentPerSecond,
        double receivedPerSecond,
        long sent,
        long received,
        long lost,
        Latency latency,
        long verified,
        long faults,
        List<String> firstFaults) {

    /** For JSON: numbers, strings, booleans, lists and maps only. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("socket", options.socket().toString());
        map.put("listen", options.listen());
        map.put("mode", options.mode().label());
        map.put("size", options.sizeBytes());
        map.put("queues", options.queues());
        map.put("packed", options.packed());
        map.put("in_order", options.inOrder());
        map.put("mergeable", options.mergeable());
        map.put("hugepages", hugepages);
        map.put("seconds", seconds);
        map.put("tx_pps", sentPerSecond);
        map.put("rx_pps", receivedPerSecond);
        map.put("tx_packets", sent);
        map.put("rx_packets", received);
        map.put("lost", lost);
        if (options.mode() == NetBenchOptions.Mode.ECHO) {
            map.put("latency", latency.toMap());
        }
        map.put("verify", options.verify());
        map.put("verified_packets", verified);
        map.put("faults", faults);
        map.put("first_faults", firstFaults);
        return map;
    }
}
