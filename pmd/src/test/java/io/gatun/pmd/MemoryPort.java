package io.gatun.pmd;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.ArrayList;
import java.util.List;

/** A port whose two sides are a test's: it injects what the port receives and reads what was sent to it. */
public final class MemoryPort extends Port {
    private static final int AREA_BYTES = 8 << 20;

    private final List<RxQueue> rxQueues = new ArrayList<>();
    private final List<Tx> txQueues = new ArrayList<>();
    private final Mapping area = Mapping.anonymous(AREA_BYTES);
    private final Burst burst = new Burst();
    private long offloads;
    private int used;
    private boolean keeping = true;
    private Runnable beforeTransmit = () -> {};

    /** {@code queues} pairs without a reactor. */
    public MemoryPort(String name, int queues) {
        super(name);
        for (int i = 0; i < queues; i++) {
            rxQueues.add(newRxQueue(i, null));
            txQueues.add(new Tx(this, i));
        }
    }

    /** What its receiver can do. */
    public MemoryPort offloads(long bits) {
        offloads = bits;
        return this;
    }

    /** Only counts what is sent, without a copy. */
    public MemoryPort countOnly() {
        keeping = false;
        return this;
    }

    /** Runs something before each transmission, as a guest does on another processor. */
    public MemoryPort beforeTransmit(Runnable meanwhile) {
        beforeTransmit = meanwhile;
        return this;
    }

    /** What queue {@code i} was sent since the last call. */
    public List<byte[]> taken(int i) {
        List<byte[]> packets = List.copyOf(txQueues.get(i).packets);
        txQueues.get(i).packets.clear();
        txQueues.get(i).words.clear();
        return packets;
    }

    /** What all queues were sent since the last call. */
    public List<byte[]> taken() {
        List<byte[]> all = new ArrayList<>();
        for (int i = 0; i < txQueues.size(); i++) {
            all.addAll(taken(i));
        }
        return all;
    }

    /** The offload words of what queue 0 was sent. */
    public List<Long> words() {
        return List.copyOf(txQueues.get(0).words);
    }

    /** Forgets the packets that wait to be received. */
    public Burst burst() {
        burst.clear();
        used = 0;
        return burst;
    }

    /** Adds a packet to the burst, in runs of these lengths; what they leave is one more run. */
    public MemoryPort with(byte[] packet, int... runs) {
        int at = 0;
        for (int run : runs) {
            if (run < packet.length - at) {
                addRun(packet, at, run);
                at += run;
            }
        }
        addRun(packet, at, packet.length - at);
        return this;
    }

    private void addRun(byte[] packet, int from, int length) {
        long address = area.address() + used;
        Memory.copyFromArray(packet, from, address, length);
        used += length;
        if (from == 0) {
            burst.add(address, length);
        } else {
            burst.addSegment(address, length);
        }
    }

    /** Receives these packets on queue {@code i}. */
    public void receive(int i, byte[]... packets) {
        burst();
        for (byte[] packet : packets) {
            with(packet);
        }
        deliver(i);
    }

    /** Receives the burst on queue {@code i}. */
    public void deliver(int i) {
        rxQueues.get(i).deliver(burst);
    }

    /** Tells the forwarder. */
    public void link(boolean up) {
        linkChanged(up);
    }

    /** A packet of the burst as it would be sent now. */
    public static byte[] bytes(Burst burst, int packet) {
        byte[] bytes = new byte[burst.lengths[packet]];
        try (Mapping copy = Mapping.anonymous(Math.max(1, bytes.length))) {
            burst.copyOut(packet, 0, copy.address(), bytes.length);
            Memory.copyToArray(copy.address(), bytes, 0, bytes.length);
        }
        return bytes;
    }

    @Override
    public String type() {
        return "memory";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return rxQueues;
    }

    @Override
    public List<Tx> txQueues() {
        return txQueues;
    }

    @Override
    public TxQueue txFor(int hash) {
        return txQueues.get(Integer.remainderUnsigned(hash, txQueues.size()));
    }

    @Override
    public boolean linkUp() {
        return true;
    }

    @Override
    protected void release() {
        burst.close();
        area.close();
    }

    /** Keeps what it is sent. */
    public static final class Tx extends TxQueue {
        private final MemoryPort owner;
        private final List<byte[]> packets = new ArrayList<>();
        private final List<Long> words = new ArrayList<>();

        Tx(MemoryPort port, int index) {
            super(port, index, null);
            owner = port;
        }

        @Override
        public long offloads() {
            return owner.offloads;
        }

        @Override
        protected int transmit(Burst burst, int[] which, int count) {
            owner.beforeTransmit.run();
            if (owner.keeping) {
                for (int i = 0; i < count; i++) {
                    packets.add(bytes(burst, which[i]));
                    words.add(burst.offloads[which[i]]);
                }
            }
            counters().count(burst, which, count);
            return count;
        }
    }
}
