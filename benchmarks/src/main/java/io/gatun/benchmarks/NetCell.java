package io.gatun.benchmarks;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * One cell of the network comparison: a ring, a direction, a packet size.
 *
 * @param ring options of the client's {@code net_virtio_user}
 * @param sizeBytes length of the packets: 1518 is Ethernet's longest untagged frame with its check sequence, which is
 *     never there, so that 1514 bytes are sent
 */
record NetCell(String ring, Direction direction, int sizeBytes) implements Comparable<NetCell> {
    /** The rings of the table in the order in which it shows them. */
    static final List<String> RINGS = List.of("split", "packed", "split in_order", "split in_order mrg_rxbuf=0");

    /** Of a packet for an MTU of 1500. */
    private static final int LONGEST_BYTES = 1514;

    private static final Comparator<NetCell> ORDER = Comparator.comparingInt(NetCell::sizeBytes)
            .thenComparing(NetCell::direction)
            .thenComparingInt(cell -> RINGS.indexOf(cell.ring));

    /** Who sends to whom, as testpmd's forward modes at the client and at the server. */
    enum Direction {
        GUEST_TO_HOST("guest to host", "txonly", "rxonly", 1.0),
        HOST_TO_GUEST("host to guest", "rxonly", "txonly", 1.0),
        ECHO("echo", "flowgen", "macswap", 1.0),
        LOOP("port to port by a loop", "flowgen", "io", 1.5),
        LOOP_RETURNED("to and fro by a loop", "io", "io", 1.5),
        SWITCH("port to port by the switch", "flowgen", "io", 1.5),
        SWITCH_RETURNED("to and fro by the switch", "io", "io", 1.5);

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
            return isExchange() ? 2 : 1;
        }

        private boolean isExchange() {
            return this == LOOP || this == SWITCH || isReturned();
        }

        /**
         * Whether the client makes a few packets and then sends back what it receives: that costs it less than making
         * each, so that more of the time is the server's.
         */
        boolean isReturned() {
            return this == LOOP_RETURNED || this == SWITCH_RETURNED;
        }

        static Direction of(String text) {
            for (Direction direction : values()) {
                if (direction.text.equals(text)) {
                    return direction;
                }
            }
            throw new IllegalArgumentException("no direction " + text);
        }
    }

    String name() {
        return direction.text + ", " + ring + ", " + sizeBytes + " B";
    }

    /** What {@code --txpkts} is to be in a forward mode: {@code flowgen} leaves room for a check sequence by itself. */
    int packetBytes(String mode) {
        return mode.equals("flowgen") ? sizeBytes : Math.min(sizeBytes, LONGEST_BYTES);
    }

    /** The same as testpmd's devargs. */
    String devargs() {
        List<String> options = new ArrayList<>(List.of("queues=1"));
        options.add("packed_vq=" + (ring.startsWith("packed") ? 1 : 0));
        options.add("in_order=" + (ring.contains("in_order") ? 1 : 0));
        options.add("mrg_rxbuf=" + (ring.contains("mrg_rxbuf=0") ? 0 : 1));
        return String.join(",", options);
    }

    @Override
    public int compareTo(NetCell other) {
        return ORDER.compare(this, other);
    }

    /** All cells of these sizes, with the switch or else a loop between two ports of Gatun. */
    static List<NetCell> table(List<Integer> sizes, boolean bySwitch) {
        Direction made = bySwitch ? Direction.SWITCH : Direction.LOOP;
        Direction returned = bySwitch ? Direction.SWITCH_RETURNED : Direction.LOOP_RETURNED;
        List<NetCell> cells = new ArrayList<>();
        for (int size : sizes) {
            for (Direction direction : List.of(
                    Direction.GUEST_TO_HOST, Direction.HOST_TO_GUEST, Direction.ECHO, made, returned)) {
                for (String ring : RINGS) {
                    cells.add(new NetCell(ring, direction, size));
                }
            }
        }
        return cells;
    }
}
