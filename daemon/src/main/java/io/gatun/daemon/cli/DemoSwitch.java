package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The demo's network: two ports at vhost-user sockets, a switch between them, and at each socket a guest's end that is
 * Gatun's own: one sends, the other answers with the addresses exchanged. Needs neither QEMU nor hugepages.
 */
final class DemoSwitch {
    /** What the daemon is started with; {@code DIRECTORY} stands for where sockets are. */
    static final String[] OPTIONS = {
        "--port", "vhost:p0,socket=DIRECTORY/p0.sock",
        "--port", "vhost:p1,socket=DIRECTORY/p1.sock",
        "--switch", "br0,ports=p0+p1"
    };

    private final PrintWriter out;
    private final JsonRpcClient client;

    DemoSwitch(PrintWriter out, JsonRpcClient client) {
        this.out = out;
        this.client = client;
    }

    /** Lets packets go for some seconds; true if they came back, through a switch that has learned both ends. */
    boolean run(Path directory, int seconds) {
        out.println("== Two ends talk through the switch: one sends 64 bytes again and again, the other answers");
        out.flush();
        end("u0", directory.resolve("p0.sock"), "txonly");
        end("u1", directory.resolve("p1.sock"), "macswap");
        Rates rates = new Rates();
        boolean terminal = TopCommand.isTerminal();
        for (int second = 0; second <= seconds; second++) {
            if (second != 0 && (terminal || second == seconds)) {
                TopCommand.show(out, rates, client, terminal);
            } else {
                rates.table(client);
            }
            if (second != seconds && Interrupt.sleep(1000)) {
                break;
            }
        }
        long back = carried("u0");
        JsonNode macs = client.call("switch_get_macs", name("br0"));
        macs.forEach(mac -> out.println("  " + mac.path("mac").asText() + " is at " + mac.path("port").asText()));
        out.println(String.format(Locale.ROOT, "  %,d packets came back", back));
        remove("u0", "txonly");
        remove("u1", "macswap");
        out.flush();
        return back > 0 && macs.size() == 2;
    }

    private void end(String port, Path socket, String mode) {
        JsonNode made = client.call(
                "port_virtio_user_create",
                name(port).put("socket", socket.toString()).put("hugepages", false).put("packed", true));
        ObjectNode loop = JsonNodeFactory.instance.objectNode().put("mode", mode);
        loop.putArray("ports").add(made.asText());
        JsonNode unused = client.call("loop_create", loop);
        assert unused.isTextual() : unused;
    }

    private void remove(String port, String mode) {
        JsonNode loop = client.call("loop_delete", name(mode + ":" + port));
        JsonNode end = client.call("port_delete", name(port));
        assert loop.asBoolean() && end.asBoolean() : port;
    }

    private long carried(String port) {
        return client.call("port_get", name(port))
                .path(0)
                .path("rx_queues")
                .path(0)
                .path("packets")
                .asLong();
    }

    private static ObjectNode name(String name) {
        return JsonNodeFactory.instance.objectNode().put("name", name);
    }
}
