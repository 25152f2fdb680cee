package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a daemon's counters say at two moments, as rates: the table of {@code top} and {@code demo}. Reads by JSON-RPC
 * only, so it shows any daemon.
 */
final class Rates {
    private final Deltas deltas = new Deltas();
    private final PortRates portRates = new PortRates(deltas);

    /** The table of the time since the last call; the first one shows zeros. */
    List<String> table(JsonRpcClient client) {
        JsonNode controllers = client.call("vhost_get_controllers", null);
        JsonNode disks = client.call("bdev_get_iostat", JsonNodeFactory.instance.objectNode());
        JsonNode reactors = client.call("framework_get_reactors", null).path("reactors");
        JsonNode ports = client.call("port_get", null);
        deltas.look();
        List<String> lines = new ArrayList<>();
        if (!disks.path("bdevs").isEmpty() || ports.isEmpty()) {
            disks(disks, controllers, lines);
            lines.add("");
        }
        if (!ports.isEmpty()) {
            lines.addAll(portRates.table(ports, client.call("switch_get", null), client));
            lines.add("");
        }
        lines.add(String.format(Locale.ROOT, "%-34s %12s %12s", "REACTOR", "BUSY", "SLEEPS/s"));
        reactors.forEach(reactor -> lines.add(reactor(reactor)));
        return lines;
    }

    private void disks(JsonNode disks, JsonNode controllers, List<String> lines) {
        lines.add(String.format(
                Locale.ROOT, "%-34s %12s %12s %9s %9s %8s", "DISK", "READS/s", "WRITES/s", "READ GB/s", "WRIT GB/s",
                "ERRORS"));
        disks.path("bdevs").forEach(disk -> lines.add(disk(disk)));
        lines.add("");
        lines.add(String.format(
                Locale.ROOT, "%-34s %12s %12s %9s %9s %8s", "QUEUE", "REQUESTS/s", "BURSTS/s", "KICKS/s", "CALLS/s",
                "RING"));
        controllers.forEach(controller -> {
            if (controller.path("queues").isEmpty()) {
                lines.add(left(controller.path("ctrlr").asText(), 34) + "  no guest has connected yet");
            }
            controller.path("queues").forEach(queue -> lines.add(queue(controller, queue)));
        });
    }

    private String disk(JsonNode disk) {
        double[] rates = deltas.rates(
                "disk " + disk.path("name").asText(),
                disk.path("num_read_ops").asLong(),
                disk.path("num_write_ops").asLong(),
                disk.path("bytes_read").asLong(),
                disk.path("bytes_written").asLong());
        long errors = disk.path("io_error").path("failed").asLong() + disk.path("io_error").path("refused").asLong();
        return String.format(
                Locale.ROOT,
                "%-34s %,12.0f %,12.0f %9.3f %9.3f %8d",
                left(disk.path("name").asText(), 34),
                rates[0],
                rates[1],
                rates[2] / 1e9,
                rates[3] / 1e9,
                errors);
    }

    private String queue(JsonNode controller, JsonNode queue) {
        String name = controller.path("ctrlr").asText() + "#" + queue.path("index").asInt();
        double[] rates = deltas.rates(
                "queue " + name,
                queue.path("chains").asLong(),
                queue.path("publishes").asLong(),
                queue.path("kicks").asLong(),
                queue.path("calls").asLong());
        String ring = queue.path("packed").asBoolean() ? "packed" : "split";
        if (!queue.path("broken").isNull()) {
            ring = "broken";
        } else if (!queue.path("started").asBoolean()) {
            ring = "stopped";
        }
        return String.format(
                Locale.ROOT,
                "%-34s %,12.0f %,12.0f %,9.0f %,9.0f %8s",
                left(name, 34),
                rates[0],
                rates[1],
                rates[2],
                rates[3],
                ring);
    }

    private String reactor(JsonNode reactor) {
        String name = reactor.path("name").asText();
        double[] rates = deltas.rates(
                "reactor " + name, reactor.path("busy").asLong(), reactor.path("sleeps").asLong());
        return String.format(Locale.ROOT, "%-34s %11.1f%% %,12.0f", name, Math.min(100, rates[0] / 1e7), rates[1]);
    }

    /** The end of a long name says more than its beginning. */
    static String left(String text, int width) {
        return text.length() <= width ? text : "…" + text.substring(text.length() - width + 1);
    }
}
