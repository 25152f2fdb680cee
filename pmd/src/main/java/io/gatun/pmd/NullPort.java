package io.gatun.pmd;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.reactor.Poller;
import io.gatun.reactor.Reactor;
import java.util.ArrayList;
import java.util.List;

/**
 * A port without anything behind it: swallows what is sent to it, and receives made-up packets if it is told to. A port
 * that generates keeps its reactors awake.
 *
 * <p>The packets are broadcasts of a protocol for experiments (EtherType 0x88b5), from a locally administered address.
 *
 * <p><b>Thread-safety:</b> as every {@link Port}.
 */
public final class NullPort extends Port {
    private static final int ETHER_TYPE = 12;

    private final List<RxQueue> rx = new ArrayList<>();
    private final List<NullTxQueue> tx = new ArrayList<>();
    private final List<Generator> generators = new ArrayList<>();
    private final Mapping frame;
    private boolean released;

    /** @param reactors who owns the queues, in turn; empty where a test drives them */
    public NullPort(String name, NullOptions options, List<Reactor> reactors) {
        super(name);
        this.frame = options.generatedBytes() == 0 ? null : frame(options.generatedBytes());
        for (int i = 0; i < options.queues(); i++) {
            Reactor owner = reactors.isEmpty() ? null : reactors.get(i % reactors.size());
            RxQueue queue = newRxQueue(i, owner);
            rx.add(queue);
            tx.add(new NullTxQueue(this, i, owner));
            if (frame != null) {
                generators.add(new Generator(queue, frame.address(), options));
            }
        }
        for (Generator generator : generators) {
            Reactor owner = generator.queue.owner();
            if (owner != null) {
                owner.execute(() -> owner.add(generator));
            }
        }
    }

    @Override
    public String type() {
        return "null";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return List.copyOf(rx);
    }

    @Override
    public List<? extends TxQueue> txQueues() {
        return List.copyOf(tx);
    }

    @Override
    public TxQueue txFor(int hash) {
        return tx.size() == 1 ? tx.getFirst() : tx.get(Integer.remainderUnsigned(hash, tx.size()));
    }

    @Override
    public boolean linkUp() {
        return true;
    }

    /** Generates once on queue {@code index}, for a test without reactors. */
    int poll(int index) {
        return generators.get(index).poll();
    }

    @Override
    protected synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        for (Generator generator : generators) {
            Reactor owner = generator.queue.owner();
            runOn(owner, () -> {
                if (owner != null) {
                    owner.remove(generator);
                }
            });
            generator.burst.close();
        }
        if (frame != null) {
            frame.close();
        }
    }

    private static Mapping frame(int bytes) {
        Mapping frame = Mapping.anonymous(bytes);
        long address = frame.address();
        Memory.putLong(address, 0x0002_ffff_ffff_ffffL); // to everybody, from 02:00…
        Memory.putByte(address + 11, (byte) 1);
        Memory.putShort(address + ETHER_TYPE, 0xb588);
        return frame;
    }

    private static final class NullTxQueue extends TxQueue {
        NullTxQueue(NullPort port, int index, Reactor owner) {
            super(port, index, owner);
        }

        @Override
        public long offloads() {
            return Offloads.ALL;
        }

        @Override
        protected int transmit(Burst burst, int[] which, int count) {
            counters().count(burst, which, count);
            return count;
        }
    }

    /** Receives the same frame again and again. */
    private static final class Generator implements Poller {
        private final RxQueue queue;
        private final Burst burst = new Burst();
        private final Pace pace;
        private final long frame;
        private final int lengthBytes;

        Generator(RxQueue queue, long frame, NullOptions options) {
            this.queue = queue;
            this.frame = frame;
            this.lengthBytes = options.generatedBytes();
            this.pace = new Pace(options.packetsPerSecond());
        }

        @Override
        public int poll() {
            int count = pace.take(System.nanoTime());
            if (count != 0) {
                burst.clear();
                for (int i = 0; i < count; i++) {
                    burst.add(frame, lengthBytes);
                }
                queue.deliver(burst);
            }
            return count;
        }

        /** There is always something due soon. */
        @Override
        public boolean arm() {
            return false;
        }

        @Override
        public String toString() {
            return queue.toString();
        }
    }
}
