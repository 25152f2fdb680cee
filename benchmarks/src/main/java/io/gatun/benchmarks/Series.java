package io.gatun.benchmarks;

import java.util.List;

/** What one row of a comparison measured: pairs of runs, peer and Gatun in turn, in operations a second. */
record Series(
        String name, String peerName, double target, List<Double> peer, List<Double> gatun, List<Double> latencies) {

    /** Gatun's rate over the peer's, pair by pair, then the median: what a noisy machine leaves comparable. */
    double medianRatio() {
        double[] ratios = new double[peer.size()];
        for (int i = 0; i < ratios.length; i++) {
            ratios[i] = gatun.get(i) / peer.get(i);
        }
        return median(ratios);
    }

    /** Gatun's best over the peer's best. */
    double bestRatio() {
        return best(gatun) / best(peer);
    }

    double medianPeer() {
        return median(peer.stream().mapToDouble(Double::doubleValue).toArray());
    }

    double medianGatun() {
        return median(gatun.stream().mapToDouble(Double::doubleValue).toArray());
    }

    static double best(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).max().orElse(0);
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        java.util.Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
