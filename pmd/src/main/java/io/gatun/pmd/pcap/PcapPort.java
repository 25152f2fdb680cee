package io.gatun.pmd.pcap;

import io.gatun.linux.LinuxException;
import io.gatun.pmd.Burst;
import io.gatun.pmd.Drop;
import io.gatun.pmd.Offloads;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;
import java.util.List;

/**
 * A port whose other end is a file, or two: one that takes what is sent, one whose packets are received once somebody
 * forwards them. One queue pair.
 *
 * <p><b>Thread-safety:</b> as every {@link Port}.
 */
public final class PcapPort extends Port {
    private final RxQueue rx;
    private final PcapTxQueue tx;
    private final PcapWriter writer;
    private final PcapReplay replay;
    private boolean released;

    private PcapPort(String name, PcapWriter writer, PcapFile file, PcapOptions options, Reactor owner) {
        super(name);
        this.writer = writer;
        this.rx = newRxQueue(0, owner);
        this.tx = new PcapTxQueue(this, owner, writer);
        this.replay = file == null ? null : new PcapReplay(this, rx, file, options);
        setMtu(65535);
    }

    /**
     * Opens the files.
     *
     * @param owner who polls the port; null where a test does
     * @throws PcapException if the file to replay is malformed
     * @throws LinuxException if a file cannot be opened
     */
    public static PcapPort open(String name, PcapOptions options, Reactor owner) {
        PcapFile file = options.replay() == null ? null : PcapFile.load(options.replay());
        PcapWriter writer = null;
        try {
            writer = options.write() == null ? null : PcapWriter.create(options.write(), options.snapLength());
        } finally {
            if (file != null && options.write() != null && writer == null) {
                file.close();
            }
        }
        PcapPort port = new PcapPort(name, writer, file, options, owner);
        if (port.replay != null && owner != null) {
            owner.execute(() -> owner.add(port.replay));
        }
        return port;
    }

    @Override
    public String type() {
        return "pcap";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return List.of(rx);
    }

    @Override
    public List<? extends TxQueue> txQueues() {
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

    /** Whether every packet of every round has been received; also if there is none. */
    public boolean replayed() {
        return replay == null || replay.finished();
    }

    /** Receives once, where no reactor does; for tests. */
    int poll() {
        return replay.poll();
    }

    boolean forwards() {
        return hasForwarder();
    }

    @Override
    protected void forwarderChanged() {
        if (replay != null && rx.owner() != null) {
            rx.owner().wake();
        }
    }

    @Override
    protected synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        if (replay != null) {
            Reactor owner = rx.owner();
            runOn(owner, () -> {
                if (owner != null && owner.inReactorThread()) {
                    owner.remove(replay);
                }
            });
            replay.close();
        }
        if (writer != null) {
            writer.close();
        }
    }

    /** Puts packets into the file, or nowhere. */
    private static final class PcapTxQueue extends TxQueue {
        private final PcapWriter writer;
        private final int[] taken = new int[Burst.CAPACITY];

        PcapTxQueue(PcapPort port, Reactor owner, PcapWriter writer) {
            super(port, 0, owner);
            this.writer = writer;
        }

        @Override
        public long offloads() {
            return Offloads.NONE;
        }

        @Override
        protected int transmit(Burst burst, int[] which, int count) {
            if (writer == null) {
                counters().drop(Drop.LINK_DOWN, count);
                return 0;
            }
            long now = writer.now();
            int written = 0;
            for (int i = 0; i < count; i++) {
                Drop obstacle = writer.put(burst, which[i], now);
                if (obstacle == null) {
                    taken[written++] = which[i];
                } else {
                    counters().drop(obstacle, 1);
                }
            }
            counters().count(burst, taken, written);
            return written;
        }
    }
}
