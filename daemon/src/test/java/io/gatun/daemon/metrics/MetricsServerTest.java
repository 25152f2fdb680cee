package io.gatun.daemon.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** What scrapers get, and what slow ones cost the others. */
class MetricsServerTest {
    private static final Duration SOON = Duration.ofSeconds(5);

    @Test
    void valuesAreScrapedUnderTheirNames() throws Exception {
        MetricFamilies families = new MetricFamilies();
        families.counter("gatun_things_total", "Things.", Labels.of("kind", "quote\" and \\"), 3);
        families.counter("gatun_things_total", "Things.", Labels.of("kind", "plain"), 12_345_678_901.0);
        families.gauge("gatun_level", "A level.", Labels.of("kind", "plain"), 0.5);
        try (MetricsServer server = start(() -> CompletableFuture.completedFuture(families.snapshots()))) {
            HttpResponse<String> answer = get(server);
            assertEquals(200, answer.statusCode());
            assertEquals(
                    """
                    # HELP gatun_level A level.
                    # TYPE gatun_level gauge
                    gatun_level{kind="plain"} 0.5
                    # HELP gatun_things_total Things.
                    # TYPE gatun_things_total counter
                    gatun_things_total{kind="plain"} 1.2345678901E10
                    gatun_things_total{kind="quote\\" and \\\\"} 3.0
                    """,
                    answer.body());
        }
    }

    @Test
    void clientsThatNeverFinishTheirRequestKeepNobodyWaiting() throws Exception {
        List<Socket> slow = new ArrayList<>();
        try (MetricsServer server = start(MetricsServerTest::nothing)) {
            for (int i = 0; i < 16; i++) {
                Socket socket = new Socket(server.address().getAddress(), server.address().getPort());
                slow.add(socket);
                socket.getOutputStream().write("GET /metrics HTTP/1.1\r\nHo".getBytes(StandardCharsets.US_ASCII));
            }
            assertEquals(200, get(server).statusCode());
        } finally {
            for (Socket socket : slow) {
                socket.close();
            }
        }
    }

    @Test
    void failureToReadTheMetricsIsUnavailability() throws Exception {
        try (MetricsServer server = start(() -> CompletableFuture.failedFuture(new IllegalStateException()))) {
            assertEquals(503, get(server).statusCode());
        }
    }

    private static Future<MetricSnapshots> nothing() {
        return CompletableFuture.completedFuture(new MetricFamilies().snapshots());
    }

    private static MetricsServer start(Supplier<Future<MetricSnapshots>> metrics) throws IOException {
        return MetricsServer.start(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), metrics);
    }

    private static HttpResponse<String> get(MetricsServer server) throws IOException, InterruptedException {
        URI uri = URI.create("http://127.0.0.1:" + server.address().getPort() + "/metrics");
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(
                    HttpRequest.newBuilder(uri).timeout(SOON).build(), HttpResponse.BodyHandlers.ofString());
        }
    }
}
