package io.gatun.pmd.bridge;

import java.util.BitSet;

/**
 * The VLANs of one port: what an arriving packet belongs to, and how one leaves (IEEE 802.1Q §8.6).
 *
 * <p><b>Thread-safety:</b> immutable.
 */
final class Vlans {
    /** Egress: this port does not carry the VLAN. */
    static final int NOT = 0;

    /** Egress without a tag. */
    static final int UNTAGGED = 1;

    /** Egress with a tag. */
    static final int TAGGED = 2;

    private static final int COUNT = 4096;

    /** Whether the port says anything about VLANs. */
    final boolean aware;

    private final byte[] egress = new byte[COUNT];
    private final boolean tagged;
    private final int untaggedVlan;

    Vlans(BridgePortOptions options) {
        int access = options.accessVlan();
        BitSet trunks = options.trunkVlans();
        aware = access != 0 || options.nativeVlan() != 0 || !trunks.isEmpty();
        tagged = access == 0;
        if (access != 0) {
            untaggedVlan = access;
            egress[access] = UNTAGGED;
            return;
        }
        for (int vlan = 1; vlan <= BridgePortOptions.MAX_VLAN; vlan++) {
            egress[vlan] = trunks.isEmpty() || trunks.get(vlan) ? (byte) TAGGED : NOT;
        }
        if (options.nativeVlan() != 0) {
            untaggedVlan = options.nativeVlan();
            egress[untaggedVlan] = UNTAGGED;
        } else if (trunks.isEmpty()) {
            untaggedVlan = 0;
            egress[0] = UNTAGGED;
        } else {
            untaggedVlan = -1;
        }
    }

    /** The VLAN of a packet without a tag, or with one that gives a priority only; -1 if it is refused. */
    int ofUntagged() {
        return untaggedVlan;
    }

    /** The VLAN of a packet with a tag that names one, 1 to 4095; -1 if it is refused. */
    int ofTagged(int vlan) {
        return tagged && egress[vlan] != NOT ? vlan : -1;
    }

    /** How a packet of a VLAN leaves: {@link #NOT}, {@link #UNTAGGED} or {@link #TAGGED}. */
    int egress(int vlan) {
        return egress[vlan];
    }
}
