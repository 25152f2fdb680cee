package io.gatun.benchmarks;

import java.util.ArrayList;
import java.util.List;

/**
 * One cell of the network comparison: a ring, a direction, a packet size.
 *
 * @param ring options of the client's {@code net_virtio_user}
 * @param sizeBytes length of the packets, without frame check sequence
 */
record NetCell(String ring, Direction direction, int sizeBytes) {
    /** The rings of the table in the order in which it shows them. */
    static final List<String> RINGS = List.of("split", "packed", "split in_order", "split in_order mrg_rxbuf=0");

    /** Who sends to whom, as testpmd's forward modes at the client and at the server. */
    enum Direction {
        GUEST_TO_HOST("guest to host", "txonly", "rxonly", 1.0),
        HOST_TO_GUEST("host to guest", "rxonly", "txonly", 1.0),
        ECHO("echo", "flowgen", "macswap", 1.0),
        PORT_TO_PORT("port to port", "flowgen", "io", 1.5);

        final String text;
        final String client;
        final String server;

        /** Gatun's rate over the peer's that is wanted. */
        final double target;

        Direction(String text, String client, String server, double target) {
            this.text = text;
            this.client = client;
            this.server = server;
            this.target = target;
        }

        /** How many ports there are on either side. */
        int ports() {
            return this == PORT_TO_PORT ? 2 : 1;
        }
    }

    String name() {
        return direction.text + ", " + ring + ", " + sizeBytes + " B";
    }

    /** The same as testpmd's devargs. */
    String devargs() {
        List<String> options = new ArrayList<>(List.of("queues=1"));
        options.add("packed_vq=" + (ring.startsWith("packed") ? 1 : 0));
        options.add("in_order=" + (ring.contains("in_order") ? 1 : 0));
        options.add("mrg_rxbuf=" + (ring.contains("mrg_rxbuf=0") ? 0 : 1));
        return String.join(",", options);
    }

    static List<NetCell> table(List<Integer> sizes) {
        List<NetCell> cells = new ArrayList<>();
        for (int size : sizes) {
            for (Direction direction : Direction.values()) {
                for (String ring : RINGS) {
                    cells.add(new NetCell(ring, direction, size));
                }
            }
        }
        return cells;
    }
}
