package io.gatun.pmd.bridge;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one receive queue of a switch's port needs to sort a burst: decides for each packet where it goes, and sends the
 * burst once per destination.
 *
 * <p>Addresses are read once from memory that the sender may change meanwhile: what leaves may have other addresses
 * than those that were looked up, which is no more than a sender could have sent at once. Where VLANs keep ports apart
 * the decision is made on a private head ({@link VlanTags}).
 *
 * <p><b>Thread-safety:</b> the thread of the queue's owner, {@link #flooded} aside.
 */
final class Lane {
    private static final long MAC_MASK = 0xffff_ffff_ffffL;

    /** The group bit of an address as it is read: the lowest bit of the first byte. */
    private static final long GROUP = 1;

    /** 01-80-C2-00-00-00 to -0F, which no switch forwards (IEEE 802.1D §7.12.6). */
    private static final long RESERVED = 0x0000_00c2_8001L;

    private static final long RESERVED_MASK = 0xf0ff_ffff_ffffL;
    private static final int ETHERNET_BYTES = 14;

    // Decisions: a port's number, or one of these.
    private static final int FLOOD = -1;
    private static final int TO_SENDER = -2;
    private static final int FORBIDDEN = -3;
    private static final int MALFORMED = -4;

    private final BridgePort self;
    private final RxQueue queue;
    private final MacTable table;
    private final int[] decisions = new int[Burst.CAPACITY];
    private final VlanTags tags = new VlanTags();

    /**
     * Packets for each port. Cleared before it is used, as {@link #byQueue} is: a burst whose memory vanished ends in
     * the middle, and the port's next guest comes to the same lane.
     */
    private final Selection selection = new Selection(Bridge.MAX_PORTS);
    private final FlowHash hash = new FlowHash();
    private final AtomicLong flooded = new AtomicLong();

    /** Packets for each queue of a port; made when a port has more queues than this one. */
    private Selection byQueue;

    Lane(BridgePort self, RxQueue queue, MacTable table) {
        this.self = self;
        this.queue = queue;
        this.table = table;
    }

    void forward(Members members, Burst burst) {
        if (members.get(self.number) != self) {
            queue.counters().drop(Drop.NO_DESTINATION, burst.count);
            return;
        }
        if (self.options.mirror()) {
            queue.counters().drop(Drop.REFUSED, burst.count);
            return;
        }
        // Every decision reads a header that the sender's core has just written: the misses overlap here, not there.
        burst.fetchHeads();
        int count = admit(burst);
        for (BridgePort mirror : members.mirrors) {
            send(mirror, burst, Burst.ALL, count);
        }
        if (members.vlanAware) {
            decideTagged(members, burst, count);
            sortTagged(members, burst, count);
        } else if (decide(members, burst, count) && count > 0) {
            sendAll(members, burst, count, decisions[0]);
        } else {
            sort(members, burst, count);
        }
    }

    /** How many packets of the burst the rate limits let in. */
    private int admit(Burst burst) {
        if (self.packetRate == null && self.byteRate == null) {
            return burst.count;
        }
        long now = System.nanoTime();
        int count = burst.count;
        if (self.packetRate != null) {
            count = self.packetRate.take(null, count, now);
        }
        if (self.byteRate != null) {
            count = self.byteRate.take(burst.lengths, count, now);
        }
        queue.counters().drop(Drop.RATE, burst.count - count);
        return count;
    }

    /** Learns and looks up; returns whether all packets have the same decision. */
    private boolean decide(Members members, Burst burst, int count) {
        long lastSource = -1;
        long lastTarget = -1;
        int decision = FLOOD;
        int different = 0;
        for (int i = 0; i < count; i++) {
            if (burst.lengths[i] < ETHERNET_BYTES) {
                decisions[i] = drop(MALFORMED);
                different = 1;
                continue;
            }
            long head = burst.pull(i, ETHERNET_BYTES);
            long target = Memory.getLong(head) & MAC_MASK;
            // Reads bytes 6 to 13.
            long source = Memory.getLong(head + 6) & MAC_MASK;
            if (source != lastSource || target != lastTarget) {
                decision = source != lastSource && !learn(source, 0) ? MALFORMED : lookUp(members, target, 0);
                // A malformed source is judged again, packet by packet.
                lastSource = decision == MALFORMED ? -1 : source;
                lastTarget = target;
            }
            decisions[i] = decision < FLOOD ? drop(decision) : decision;
            different |= decision ^ decisions[0];
        }
        return different == 0;
    }

    private void decideTagged(Members members, Burst burst, int count) {
        for (int i = 0; i < count; i++) {
            int vlan = tags.classify(burst, i, self.vlans);
            int decision = vlan == VlanTags.MALFORMED ? MALFORMED : FORBIDDEN;
            if (vlan >= 0) {
                long head = burst.addresses[i];
                boolean wellFormed = learn(Memory.getLong(head + 6) & MAC_MASK, vlan);
                decision = wellFormed ? lookUp(members, Memory.getLong(head) & MAC_MASK, vlan) : MALFORMED;
                if (decision >= 0 && members.get(decision).vlans.egress(vlan) == Vlans.NOT) {
                    decision = FORBIDDEN;
                }
            }
            decisions[i] = decision < FLOOD ? drop(decision) : decision;
        }
    }

    /** False if no station has such an address. */
    private boolean learn(long source, int vlan) {
        if ((source & GROUP) != 0 || source == 0) {
            return false;
        }
        table.learn(MacTable.key(source, vlan), self.number, self.options.macLimit());
        return true;
    }

    private int lookUp(Members members, long target, int vlan) {
        if ((target & GROUP) != 0) {
            return (target & RESERVED_MASK) == RESERVED ? FORBIDDEN : FLOOD;
        }
        if (target == 0) {
            return MALFORMED;
        }
        int number = table.lookup(MacTable.key(target, vlan));
        if (number == self.number) {
            return TO_SENDER;
        }
        return number == MacTable.UNKNOWN || members.get(number) == null ? FLOOD : number;
    }

    private int drop(int decision) {
        queue.counters()
                .drop(
                        switch (decision) {
                            case MALFORMED -> Drop.BAD_HEADER;
                            case FORBIDDEN -> Drop.REFUSED;
                            default -> Drop.NO_DESTINATION;
                        },
                        1);
        return decision;
    }

    /** The first packets of a burst go the same way. */
    private void sendAll(Members members, Burst burst, int count, int decision) {
        if (decision >= 0) {
            send(members.get(decision), burst, Burst.ALL, count);
        } else if (decision == FLOOD) {
            countFloods(count);
            for (BridgePort member : members.forwarding) {
                if (member != self) {
                    send(member, burst, Burst.ALL, count);
                }
            }
        }
    }

    private void sort(Members members, Burst burst, int count) {
        selection.clear();
        int floods = 0;
        for (int i = 0; i < count; i++) {
            if (decisions[i] >= 0) {
                selection.add(decisions[i], i);
            } else if (decisions[i] == FLOOD) {
                floods++;
                for (BridgePort member : members.forwarding) {
                    if (member != self) {
                        selection.add(member.number, i);
                    }
                }
            }
        }
        countFloods(floods);
        for (int i = 0; i < selection.groups(); i++) {
            int number = selection.group(i);
            send(members.get(number), burst, selection.members(number), selection.count(number));
        }
    }

    private void sortTagged(Members members, Burst burst, int count) {
        selection.clear();
        int floods = 0;
        for (int i = 0; i < count; i++) {
            if (decisions[i] >= 0) {
                selection.add(decisions[i], i);
            } else if (decisions[i] == FLOOD) {
                floods++;
                for (BridgePort member : members.forwarding) {
                    if (member != self && member.vlans.egress(tags.vlan(i)) != Vlans.NOT) {
                        selection.add(member.number, i);
                    }
                }
            }
        }
        countFloods(floods);
        for (int i = 0; i < selection.groups(); i++) {
            int number = selection.group(i);
            BridgePort member = members.get(number);
            int[] which = selection.members(number);
            int selected = selection.count(number);
            for (int k = 0; k < selected; k++) {
                tags.shape(burst, which[k], member.vlans);
            }
            send(member, burst, which, selected);
        }
    }

    private void countFloods(int packets) {
        if (packets != 0) {
            flooded.setOpaque(flooded.getPlain() + packets);
        }
    }

    long flooded() {
        return flooded.getOpaque();
    }

    /**
     * Queue {@code i} sends to queue {@code i} where that spreads over all queues of the other port; its packets of a
     * flow stay together as they came. Else the flow's hash decides.
     */
    private void send(BridgePort member, Burst burst, int[] which, int count) {
        if (count == 0) {
            return;
        }
        if (self.rxQueues >= member.txQueues) {
            member.port.txFor(queue.index()).send(burst, which, count);
        } else {
            spread(member, burst, which, count);
        }
    }

    private void spread(BridgePort member, Burst burst, int[] which, int count) {
        if (byQueue == null) {
            byQueue = new Selection(Bridge.MAX_QUEUES);
        }
        byQueue.clear();
        for (int i = 0; i < count; i++) {
            TxQueue target = member.port.txFor(hash.of(burst, which[i]));
            byQueue.add(target.index(), which[i]);
        }
        for (int i = 0; i < byQueue.groups(); i++) {
            int index = byQueue.group(i);
            member.port.txQueues().get(index).send(burst, byQueue.members(index), byQueue.count(index));
        }
    }
}
