package io.gatun.pmd.bridge;

import java.util.BitSet;

/**
 * How a port takes part in a switch.
 *
 * <p>A port without VLAN options carries every VLAN, tagged or not, as it comes; untagged packets are in VLAN 0. An
 * <em>access</em> port belongs to one VLAN, and its packets have no tag. A <em>trunk</em> carries tagged packets of the
 * listed VLANs, and untagged ones of its native VLAN if it has one.
 *
 * <p><b>Thread-safety:</b> immutable.
 *
 * @param accessVlan 1 to 4094, or 0 for a port that is no access port
 * @param trunkVlans the VLANs of a trunk; empty stands for all of them
 * @param nativeVlan the VLAN of a trunk's untagged packets, 1 to 4094, or 0 for none of its own
 * @param mirror whether this port gets a copy of every packet that the other ports let in, and is nothing else
 * @param packetsPerSecond how many packets are let in; 0 for no limit. One that is still to be segmented counts once
 * @param bytesPerSecond how many bytes are let in; 0 for no limit
 * @param macLimit how many addresses are learned behind this port
 */
public record BridgePortOptions(
        int accessVlan,
        BitSet trunkVlans,
        int nativeVlan,
        boolean mirror,
        long packetsPerSecond,
        long bytesPerSecond,
        int macLimit) {
    /** The largest VLAN (IEEE 802.1Q §9.6: 4095 is reserved). */
    public static final int MAX_VLAN = 4094;

    /** Enough for a guest with many containers, and a fraction of the table. */
    public static final int DEFAULT_MAC_LIMIT = 1024;

    /** Every VLAN, no limits. */
    public static final BridgePortOptions DEFAULT =
            new BridgePortOptions(0, new BitSet(), 0, false, 0, 0, DEFAULT_MAC_LIMIT);

    /** Throws {@link IllegalArgumentException} with what is wrong. */
    public BridgePortOptions {
        trunkVlans = (BitSet) trunkVlans.clone();
        requireVlan("access", accessVlan);
        requireVlan("native", nativeVlan);
        if (trunkVlans.length() > MAX_VLAN + 1 || trunkVlans.get(0)) {
            throw new IllegalArgumentException("a trunk's VLANs are 1 to " + MAX_VLAN + ", not " + trunkVlans);
        }
        if (accessVlan != 0 && (nativeVlan != 0 || !trunkVlans.isEmpty())) {
            throw new IllegalArgumentException("a port is an access port or a trunk, not both");
        }
        if (packetsPerSecond < 0 || bytesPerSecond < 0) {
            throw new IllegalArgumentException("a rate limit is 0 or more");
        }
        if (macLimit < 0) {
            throw new IllegalArgumentException("a limit of addresses is 0 or more, not " + macLimit);
        }
    }

    @Override
    public BitSet trunkVlans() {
        return (BitSet) trunkVlans.clone();
    }

    /** This, as an access port of a VLAN. */
    public BridgePortOptions withAccess(int vlan) {
        return new BridgePortOptions(
                vlan, new BitSet(), 0, mirror, packetsPerSecond, bytesPerSecond, macLimit);
    }

    /** This, as a trunk of these VLANs (none stands for all), with a native one or 0. */
    public BridgePortOptions withTrunk(int untagged, int... vlans) {
        BitSet set = new BitSet();
        for (int vlan : vlans) {
            requireVlan("trunk", vlan);
            set.set(vlan);
        }
        return new BridgePortOptions(0, set, untagged, mirror, packetsPerSecond, bytesPerSecond, macLimit);
    }

    /** This, as a port for copies. */
    public BridgePortOptions withMirror() {
        return new BridgePortOptions(
                accessVlan, trunkVlans, nativeVlan, true, packetsPerSecond, bytesPerSecond, macLimit);
    }

    /** This, with limits on what is let in per second; 0 is none. */
    public BridgePortOptions withRate(long packets, long bytes) {
        return new BridgePortOptions(accessVlan, trunkVlans, nativeVlan, mirror, packets, bytes, macLimit);
    }

    /** This, with at most this many addresses learned. */
    public BridgePortOptions withMacLimit(int addresses) {
        return new BridgePortOptions(
                accessVlan, trunkVlans, nativeVlan, mirror, packetsPerSecond, bytesPerSecond, addresses);
    }

    private static void requireVlan(String kind, int vlan) {
        if (vlan < 0 || vlan > MAX_VLAN) {
            throw new IllegalArgumentException("a VLAN is 1 to " + MAX_VLAN + ", and the " + kind + " one is " + vlan);
        }
    }
}
