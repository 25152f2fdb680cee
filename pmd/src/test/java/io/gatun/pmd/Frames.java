package io.gatun.pmd;

import io.gatun.linux.Memory;

/** What arrives at a port: remembers numbered packets, and what is wrong with them. */
final class Frames implements Forwarder {
    /** The highest number per flow, written by the receiving thread. */
    final long[] next = new long[16];

    volatile long received;
    volatile String fault;

    /** Writes a packet's flow and number. */
    static void number(long address, int flow, long number) {
        Memory.putLong(address + 16, flow);
        Memory.putLong(address + 24, number);
    }

    @Override
    public void forward(RxQueue from, Burst burst) {
        for (int i = 0; i < burst.count; i++) {
            long head = burst.pull(i, 32);
            int flow = (int) Memory.getLong(head + 16);
            long number = Memory.getLong(head + 24);
            if (number < next[flow]) {
                fault = "flow " + flow + ": " + number + " after " + (next[flow] - 1);
            }
            next[flow] = number + 1;
        }
        long before = received;
        received = before + burst.count;
    }
}
