package io.gatun.daemon.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * {@code GET /metrics} over HTTP, for Prometheus, in its text format 0.0.4.
 *
 * <p>Each client has a virtual thread, so a slow one keeps nobody waiting; there are at most {@value #MAX_CONNECTIONS}
 * of them, and one that takes more than {@value #PATIENCE_SECONDS} seconds to ask or to listen is hung up on.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class MetricsServer implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 10;
    private static final int MAX_CONNECTIONS = 64;
    private static final int OK = 200;
    private static final int METHOD_NOT_ALLOWED = 405;
    private static final int UNAVAILABLE = 503;
    private static final PrometheusTextFormatWriter WRITER = PrometheusTextFormatWriter.create();

    static {
        // The JDK's server reads its limits from these when it is first used, and has none otherwise.
        limit("jdk.httpserver.maxConnections", MAX_CONNECTIONS);
        limit("sun.net.httpserver.maxReqTime", PATIENCE_SECONDS);
        limit("sun.net.httpserver.maxRspTime", PATIENCE_SECONDS);
    }

    private final HttpServer server;
    private final ExecutorService clients;

    private MetricsServer(HttpServer server, ExecutorService clients) {
        this.server = server;
        this.clients = clients;
    }

    /**
     * Listens at {@code address}.
     *
     * @param metrics asked for what to answer, once per request
     * @throws IOException where it cannot listen there
     */
    public static MetricsServer start(InetSocketAddress address, Supplier<Future<MetricSnapshots>> metrics)
            throws IOException {
        HttpServer server = HttpServer.create(address, 0);
        ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor();
        server.setExecutor(clients);
        server.createContext("/metrics", exchange -> answer(exchange, metrics));
        server.start();
        return new MetricsServer(server, clients);
    }

    /** Where it listens, with the port that was chosen for port 0. */
    public InetSocketAddress address() {
        return server.getAddress();
    }

    @Override
    public void close() {
        server.stop(0);
        clients.shutdownNow();
    }

    private static void limit(String property, int value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, Integer.toString(value));
        }
    }

    private static void answer(HttpExchange exchange, Supplier<Future<MetricSnapshots>> metrics) throws IOException {
        try (exchange) {
            if (!exchange.getRequestMethod().equals("GET")) {
                exchange.sendResponseHeaders(METHOD_NOT_ALLOWED, -1);
                return;
            }
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            try {
                WRITER.write(body, metrics.get().get(PATIENCE_SECONDS, TimeUnit.SECONDS));
            } catch (ExecutionException | TimeoutException e) {
                exchange.sendResponseHeaders(UNAVAILABLE, -1);
                return;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            exchange.getResponseHeaders().set("Content-Type", WRITER.getContentType());
            exchange.sendResponseHeaders(OK, body.size());
            body.writeTo(exchange.getResponseBody());
        }
    }
}
