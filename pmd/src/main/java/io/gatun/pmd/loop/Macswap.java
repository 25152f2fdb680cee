package io.gatun.pmd.loop;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Forwarder;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;

/**
 * Sends every packet back where it came from, with source and destination address exchanged (IEEE 802.3 §3.2.3). A
 * packet that is shorter than an Ethernet header is dropped.
 *
 * <p><b>Thread-safety:</b> as {@link Forwarder} says.
 */
public final class Macswap implements Forwarder {
    private static final int ETHERNET_BYTES = 14;

    /** What is copied in order to change 12 bytes: the smallest frames whole, so that they stay in one run. */
    private static final int HEAD_BYTES = 64;

    private final Lane[] lanes;

    /** Answers what {@code port} receives; throws {@link IllegalArgumentException} where it cannot send. */
    public Macswap(Port port) {
        lanes = Lane.between(port, port);
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        burst.fetchHeads();
        Lane lane = lanes[from.index()];
        int[] chosen = lane.chosen;
        int[] lengths = burst.lengths;
        int count = burst.count;
        int swapped = 0;
        for (int i = 0; i < count; i++) {
            int length = lengths[i];
            if (length >= ETHERNET_BYTES) {
                swap(burst.editHead(i, Math.min(length, HEAD_BYTES)));
                chosen[swapped++] = i;
            }
        }
        if (swapped != count) {
            from.counters().drop(Drop.BAD_HEADER, count - swapped);
        }
        if (swapped != 0) {
            lane.exit.send(burst, chosen, swapped);
        }
    }

    /** Exchanges bytes 0 to 5 with bytes 6 to 11. */
    static void swap(long head) {
        long low = Memory.getLong(head);
        long high = Memory.getUnsignedInt(head + 8);
        Memory.putLong(head, low >>> 48 | high << 16 | low << 48);
        Memory.putInt(head + 8, (int) (low >>> 16));
    }
}
