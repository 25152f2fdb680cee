package io.gatun.examples.flow;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import java.util.ArrayList;
import java.util.List;

/** A port whose other end is the test. */
final class TestPort extends Port {
    private final RxQueue rx = newRxQueue(0, null);
    private final Sink tx = new Sink();
    private final Mapping memory = Mapping.anonymous(8192);
    private final Burst burst = new Burst();
    private final List<byte[]> taken = new ArrayList<>();
    private boolean keeping = true;

    TestPort(String name) {
        super(name);
    }

    /** Receives a packet, in two runs. */
    void receive(byte[] packet) {
        put(packet);
        rx.deliver(burst);
    }

    /** Receives a packet whose checksum is missing. */
    void receive(byte[] packet, int checksumStart, int checksumOffset) {
        put(packet);
        burst.offloads[0] = NetHeader.offload(NetHeader.F_NEEDS_CSUM, 0, 0, 0, checksumStart);
        burst.checksumOffsets[0] = checksumOffset;
        rx.deliver(burst);
    }

    private void put(byte[] packet) {
        burst.clear();
        Memory.copyFromArray(packet, 0, memory.address(), packet.length);
        int first = Math.min(packet.length, 20);
        burst.add(memory.address(), first);
        if (packet.length > first) {
            burst.addSegment(memory.address() + first, packet.length - first);
        }
    }

    /** Keeps nothing of what is sent here. */
    void countOnly() {
        keeping = false;
    }

    /** What was sent here since the last call. */
    List<byte[]> taken() {
        List<byte[]> packets = List.copyOf(taken);
        taken.clear();
        return packets;
    }

    private final class Sink extends TxQueue {
        Sink() {
            super(TestPort.this, 0, null);
        }

        @Override
        public long offloads() {
            return 0;
        }

        @Override
        protected int transmit(Burst sent, int[] which, int count) {
            for (int i = 0; keeping && i < count; i++) {
                byte[] bytes = new byte[sent.lengths[which[i]]];
                sent.copyOut(which[i], 0, memory.address() + 4096, bytes.length);
                Memory.copyToArray(memory.address() + 4096, bytes, 0, bytes.length);
                taken.add(bytes);
            }
            counters().count(sent, which, count);
            return count;
        }
    }

    @Override
    public String type() {
        return "test";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return List.of(rx);
    }

    @Override
    public List<TxQueue> txQueues() {
        return List.of(tx);
    }

    @Override
    public TxQueue txFor(int hash) {
        return tx;
    }

    @Override
    public boolean linkUp() {
        return true;
    }

    @Override
    protected void release() {
        burst.close();
        memory.close();
    }
}
