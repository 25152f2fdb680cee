package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * The part of {@link Rates} about packets: a line per queue pair, what was dropped so far, by cause, and switches with
 * whom they know.
 */
final class PortRates {
    private static final int NAME_WIDTH = 22;

    /** A table that fits a terminal. */
    private static final int MOST_MACS = 10;

    private final Deltas deltas;

    PortRates(Deltas deltas) {
        this.deltas = deltas;
    }

    /** The table of what {@code port_get} and {@code switch_get} answered. */
    List<String> table(JsonNode ports, JsonNode switches, JsonRpcClient client) {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT, "%-22s %5s %13s %9s %13s %9s %12s  %s", "PORT", "LINK", "RX PACKETS/s", "RX Gb/s",
                "TX PACKETS/s", "TX Gb/s", "DROPS/s", "USED BY"));
        List<String> drops = new ArrayList<>();
        for (JsonNode port : ports) {
            int queues = Math.max(port.path("rx_queues").size(), port.path("tx_queues").size());
            for (int i = 0; i < queues; i++) {
                lines.add(queue(port, i, port.path("rx_queues").path(i), port.path("tx_queues").path(i)));
            }
            drops(port.path("name").asText() + " rx", port.path("rx_queues"), drops);
            drops(port.path("name").asText() + " tx", port.path("tx_queues"), drops);
        }
        if (!drops.isEmpty()) {
            lines.add("");
            lines.add("DROPPED SO FAR");
            lines.addAll(drops);
        }
        if (!switches.isEmpty()) {
            lines.add("");
            lines.add(String.format(
                    Locale.ROOT, "%-22s %5s %13s %13s %13s", "SWITCH", "PORTS", "MACS", "MOVES/s", "FLOODED/s"));
            switches.forEach(each -> lines.add(bridge(each)));
            macs(switches, client, lines);
        }
        return lines;
    }

    /** Who is where, as far as there is room: those seen last first. */
    private static void macs(JsonNode switches, JsonRpcClient client, List<String> lines) {
        for (JsonNode each : switches) {
            if (each.path("macs").asInt() == 0) {
                continue;
            }
            String name = each.path("name").asText();
            List<JsonNode> macs = new ArrayList<>();
            client.call("switch_get_macs", JsonNodeFactory.instance.objectNode().put("name", name))
                    .forEach(macs::add);
            macs.sort(Comparator.comparingInt(mac -> mac.path("age").asInt()));
            lines.add("");
            lines.add(String.format(Locale.ROOT, "%-22s %5s %13s  %s", "MAC OF " + name, "VLAN", "AGE/s", "PORT"));
            macs.stream().limit(MOST_MACS).forEach(mac -> lines.add(String.format(
                    Locale.ROOT,
                    "%-22s %5d %,13d  %s",
                    mac.path("mac").asText(),
                    mac.path("vlan").asInt(),
                    mac.path("age").asInt(),
                    mac.path("port").asText())));
            if (macs.size() > MOST_MACS) {
                lines.add(String.format(Locale.ROOT, "and %,d more", macs.size() - MOST_MACS));
            }
        }
    }

    private String bridge(JsonNode each) {
        String name = each.path("name").asText();
        double[] rates =
                deltas.rates("switch " + name, each.path("mac_moves").asLong(), each.path("flooded").asLong());
        return String.format(
                Locale.ROOT,
                "%-22s %5d %,13d %,13.0f %,13.0f",
                Rates.left(name, NAME_WIDTH),
                each.path("ports").size(),
                each.path("macs").asLong(),
                rates[0],
                rates[1]);
    }

    private String queue(JsonNode port, int index, JsonNode rx, JsonNode tx) {
        String name = port.path("name").asText() + "#" + index;
        double[] rates = deltas.rates(
                "port " + name,
                rx.path("packets").asLong(),
                rx.path("bytes").asLong(),
                tx.path("packets").asLong(),
                tx.path("bytes").asLong(),
                rx.path("dropped").asLong() + tx.path("dropped").asLong());
        return String.format(
                Locale.ROOT,
                "%-22s %5s %,13.0f %9.3f %,13.0f %9.3f %,12.0f  %s",
                Rates.left(name, NAME_WIDTH),
                port.path("link").asText(),
                rates[0],
                rates[1] * 8 / 1e9,
                rates[2],
                rates[3] * 8 / 1e9,
                rates[4],
                port.path("used_by").asText("nothing"));
    }

    private static void drops(String name, JsonNode queues, List<String> lines) {
        for (JsonNode queue : queues) {
            JsonNode causes = queue.path("drops");
            if (!causes.isEmpty()) {
                StringJoiner told = new StringJoiner(", ");
                causes.properties().forEach(cause ->
                        told.add(String.format(Locale.ROOT, "%s %,d", cause.getKey(), cause.getValue().asLong())));
                lines.add(String.format(
                        Locale.ROOT, "%-22s %s", Rates.left(name + queue.path("index").asInt(), NAME_WIDTH), told));
            }
        }
    }
}
