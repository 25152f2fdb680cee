package io.gatun.pmd.loop;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** A port whose receiver is the test: it keeps what was sent, or only counts it. */
final class TestPort extends Port {
    final List<Sink> sinks;
    private final List<RxQueue> sources;
    private volatile boolean up = true;

    TestPort(String name, int queues, Reactor owner) {
        super(name);
        sinks = IntStream.range(0, queues).mapToObj(i -> new Sink(i, owner)).toList();
        sources = IntStream.range(0, queues).mapToObj(i -> newRxQueue(i, owner)).toList();
    }

    /** What one queue has sent. */
    final class Sink extends TxQueue {
        final List<byte[]> packets = new ArrayList<>();
        boolean keep = true;

        Sink(int index, Reactor owner) {
            super(TestPort.this, index, owner);
        }

        @Override
        public long offloads() {
            return Offloads.ALL;
        }

        @Override
        protected int transmit(Burst burst, int[] which, int count) {
            if (!up) {
                counters().drop(Drop.LINK_DOWN, count);
                return 0;
            }
            for (int i = 0; keep && i < count; i++) {
                packets.add(bytes(burst, which[i]));
            }
            counters().count(burst, which, count);
            return count;
        }
    }

    static byte[] bytes(Burst burst, int packet) {
        byte[] bytes = new byte[burst.lengths[packet]];
        Memory.copyToArray(burst.addresses[packet], bytes, 0, burst.headLengths[packet]);
        int at = burst.headLengths[packet];
        for (int i = 0; i < burst.moreCounts[packet]; i++) {
            int s = burst.moreFirsts[packet] + i;
            Memory.copyToArray(burst.segmentAddresses[s], bytes, at, burst.segmentLengths[s]);
            at += burst.segmentLengths[s];
        }
        return bytes;
    }

    void setLink(boolean value) {
        up = value;
        linkChanged(value);
    }

    @Override
    public String type() {
        return "test";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return sources;
    }

    @Override
    public List<Sink> txQueues() {
        return sinks;
    }

    @Override
    public TxQueue txFor(int hash) {
        return sinks.get(Math.floorMod(hash, sinks.size()));
    }

    @Override
    public boolean linkUp() {
        return up;
    }

    @Override
    protected void release() {
        // Nothing to free.
    }
}
