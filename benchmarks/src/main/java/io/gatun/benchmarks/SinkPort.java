package io.gatun.benchmarks;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import java.util.List;

/** A port without a reactor that takes everything and counts it; a benchmark delivers on its receive queue. */
final class SinkPort extends Port {
    final RxQueue rx = newRxQueue(0, null);
    private final Sink tx = new Sink();

    SinkPort(String name) {
        super(name);
    }

    private final class Sink extends TxQueue {
        Sink() {
            super(SinkPort.this, 0, null);
        }

        @Override
        public long offloads() {
            return 0;
        }

        @Override
        protected int transmit(Burst burst, int[] which, int count) {
            counters().count(burst, which, count);
            return count;
        }
    }

    @Override
    public String type() {
        return "sink";
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
    protected void release() {}
}
