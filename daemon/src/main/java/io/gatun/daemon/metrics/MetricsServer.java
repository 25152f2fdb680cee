package io.gatun.daemon.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * {@code GET /metrics} over HTTP, for Prometheus.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
public final class MetricsServer implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 10;
    private static final int OK = 200;
    private static final int METHOD_NOT_ALLOWED = 405;
    private static final int UNAVAILABLE = 503;

    private final HttpServer server;

    private MetricsServer(HttpServer server) {
        this.server = server;
    }

    /**
     * Listens at {@code address}.
     *
     * @param text asked for what to answer, once per request
     * @throws IOException where it cannot listen there
     */
    public static MetricsServer start(InetSocketAddress address, Supplier<Future<String>> text) throws IOException {
        HttpServer server = HttpServer.create(address, 0);
        server.createContext("/metrics", exchange -> answer(exchange, text));
        server.start();
        return new MetricsServer(server);
    }

    /** Where it listens, with the port that was chosen for port 0. */
    public InetSocketAddress address() {
        return server.getAddress();
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private static void answer(HttpExchange exchange, Supplier<Future<String>> text) throws IOException {
        try (exchange) {
            if (!exchange.getRequestMethod().equals("GET")) {
                exchange.sendResponseHeaders(METHOD_NOT_ALLOWED, -1);
                return;
            }
            byte[] body;
            try {
                body = text.get().get(PATIENCE_SECONDS, TimeUnit.SECONDS).getBytes(StandardCharsets.UTF_8);
            } catch (ExecutionException | TimeoutException e) {
                exchange.sendResponseHeaders(UNAVAILABLE, -1);
                return;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            exchange.getResponseHeaders().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
            exchange.sendResponseHeaders(OK, body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
