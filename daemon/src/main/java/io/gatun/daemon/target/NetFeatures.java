package io.gatun.daemon.target;

import com.fasterxml.jackson.databind.node.ArrayNode;

/** Names of the feature bits of virtio-net (VIRTIO 1.3 §5.1.3 and §6), as the specification has them without prefix. */
final class NetFeatures {
    private static final String[] NAMES = new String[64];

    static {
        String[] net = {
            "csum", "guest_csum", "ctrl_guest_offloads", "mtu", null, "mac", null, "guest_tso4", "guest_tso6",
            "guest_ecn", "guest_ufo", "host_tso4", "host_tso6", "host_ecn", "host_ufo", "mrg_rxbuf", "status",
            "ctrl_vq", "ctrl_rx", "ctrl_vlan", null, "guest_announce", "mq", "ctrl_mac_addr"
        };
        System.arraycopy(net, 0, NAMES, 0, net.length);
        NAMES[28] = "indirect_desc";
        NAMES[29] = "event_idx";
        NAMES[32] = "version_1";
        NAMES[33] = "access_platform";
        NAMES[34] = "ring_packed";
        NAMES[35] = "in_order";
        NAMES[54] = "guest_uso4";
        NAMES[55] = "guest_uso6";
        NAMES[56] = "host_uso";
        NAMES[57] = "hash_report";
        NAMES[59] = "guest_hdrlen";
        NAMES[60] = "rss";
    }

    private NetFeatures() {}

    /** Adds the name of every bit that is set; {@code bit_N} where the specification has none. */
    static void describe(long features, ArrayNode names) {
        for (int bit = 0; bit < NAMES.length; bit++) {
            if ((features >>> bit & 1) != 0) {
                names.add(NAMES[bit] == null ? "bit_" + bit : NAMES[bit]);
            }
        }
    }
}
