package io.gatun.pmd.bridge;

import io.gatun.pmd.Burst;
import io.gatun.pmd.VlanHeader;
import io.gatun.pmd.offload.PacketHeaders;

/**
 * The VLAN of each packet of a burst, and its tag, put on and taken off as ports want it (IEEE 802.1Q §9).
 *
 * <p>A packet is judged by a private copy of its head, and leaves with that head: a sender that changes its packet
 * afterwards changes nothing that was judged.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class VlanTags {
    /** {@link #classify}: the port does not take such packets. */
    static final int REFUSED = -1;

    /** {@link #classify}: the packet ends before its header does. */
    static final int MALFORMED = -2;

    private static final int ADDRESS_BYTES = 12;
    private static final int NO_TAG = -1;
    private static final int VLAN_MASK = 0xfff;

    private final int[] vlans = new int[Burst.CAPACITY];

    /** The tag control information that a packet has at present. */
    private final int[] present = new int[Burst.CAPACITY];

    VlanTags() {}

    /** The VLAN of a packet that arrived at a port, after which its addresses are private; or a negative number. */
    int classify(Burst burst, int packet, Vlans port) {
        int length = burst.lengths[packet];
        if (length < PacketHeaders.ETHERNET_BYTES) {
            return MALFORMED;
        }
        long head = burst.editHead(packet, Math.min(length, PacketHeaders.ETHERNET_BYTES + VlanHeader.TAG_BYTES));
        int vlan;
        if (PacketHeaders.number(head + ADDRESS_BYTES) != PacketHeaders.TYPE_VLAN) {
            present[packet] = NO_TAG;
            vlan = port.ofUntagged();
        } else if (length < PacketHeaders.ETHERNET_BYTES + VlanHeader.TAG_BYTES) {
            return MALFORMED;
        } else {
            int tag = VlanHeader.tag(head);
            present[packet] = tag;
            int named = tag & VLAN_MASK;
            vlan = named == 0 ? port.ofUntagged() : port.ofTagged(named);
        }
        vlans[packet] = vlan;
        return vlan;
    }

    /** What {@link #classify} found. */
    int vlan(int packet) {
        return vlans[packet];
    }

    /** Gives a packet the form in which a port sends its VLAN. */
    void shape(Burst burst, int packet, Vlans port) {
        int vlan = vlans[packet];
        int tag = present[packet];
        if (port.egress(vlan) == Vlans.UNTAGGED) {
            // In VLAN 0 a tag is only a priority, and stays.
            if (tag != NO_TAG && vlan != 0) {
                VlanHeader.pop(burst, packet);
                present[packet] = NO_TAG;
            }
        } else if (tag == NO_TAG) {
            VlanHeader.push(burst, packet, PacketHeaders.TYPE_VLAN, vlan);
            present[packet] = vlan;
        } else if ((tag & VLAN_MASK) != vlan) {
            present[packet] = (tag & ~VLAN_MASK) | vlan;
            VlanHeader.putTag(burst.addresses[packet], present[packet]);
        }
    }
}
