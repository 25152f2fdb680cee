package io.gatun.pmd.net;

import io.gatun.pmd.Burst;
import io.gatun.pmd.Placement;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.VhostUserBackend;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A port whose other end is a guest's virtio-net device, at a vhost-user socket that listens or connects.
 *
 * <p>Queue pairs live on reactors {@linkplain Placement in turn}, both rings of a pair on the same.
 *
 * <p><b>Thread-safety:</b> as {@link Port} says.
 */
public final class VhostPort extends Port {
    private static final VhostTxQueue[] NONE = {};

    private final ControlLoop loop;
    private final List<RxQueue> rxQueues;
    private final List<VhostTxQueue> txQueues;
    private final VhostUserBackend backend;

    /** An announcement is on its way to the reactor: one at a time, however many the front-end asks for. */
    private final AtomicBoolean announcing = new AtomicBoolean();

    private volatile long features;

    /** The queues that take packets. Written on the control loop's thread. */
    private volatile VhostTxQueue[] live = NONE;

    private VhostPort(
            String name,
            ControlLoop loop,
            Path socket,
            VhostPortOptions options,
            List<Reactor> reactors,
            boolean listens) {
        super(name);
        this.loop = loop;
        List<Reactor> owners = Placement.inTurn(reactors, options.queues());
        List<RxQueue> receive = new ArrayList<>();
        List<VhostTxQueue> transmit = new ArrayList<>();
        for (int i = 0; i < options.queues(); i++) {
            Reactor owner = owners.get(i % owners.size());
            receive.add(newRxQueue(i, owner));
            transmit.add(new VhostTxQueue(this, i, owner, this::linkMayHaveChanged));
        }
        rxQueues = List.copyOf(receive);
        txQueues = List.copyOf(transmit);
        if (options.mtu() != 0) {
            setMtu(options.mtu());
        }
        VirtioNetDevice device = new VirtioNetDevice(this, options);
        backend = listens
                ? VhostUserBackend.listen(loop, socket, device, this::owner, options.backend())
                : VhostUserBackend.connect(loop, socket, device, this::owner, options.backend());
    }

    /**
     * Listens at a path for a front-end, and for the next one when it has gone.
     *
     * @throws io.gatun.linux.LinuxException if the path cannot be used, with the remedy
     */
    public static VhostPort listen(
            String name, ControlLoop loop, Path socket, VhostPortOptions options, List<Reactor> reactors) {
        return new VhostPort(name, loop, socket, options, reactors, true);
    }

    /** Connects to a front-end that listens; keeps trying until it does, and again whenever it has gone. */
    public static VhostPort connect(
            String name, ControlLoop loop, Path socket, VhostPortOptions options, List<Reactor> reactors) {
        return new VhostPort(name, loop, socket, options, reactors, false);
    }

    /** The reactor of a virtqueue. */
    private Reactor owner(int virtqueue) {
        return rxQueues.get(virtqueue / VirtioNet.QUEUES_PER_PAIR).owner();
    }

    @Override
    public String type() {
        return "vhost";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return rxQueues;
    }

    @Override
    public List<VhostTxQueue> txQueues() {
        return txQueues;
    }

    @Override
    public TxQueue txFor(int hash) {
        VhostTxQueue[] queues = live;
        if (queues.length <= 1) {
            return queues.length == 0 ? txQueues.getFirst() : queues[0];
        }
        return queues[Integer.remainderUnsigned(hash, queues.length)];
    }

    @Override
    public boolean linkUp() {
        return live.length != 0;
    }

    /** The vhost-user end: its socket, whether a front-end is connected, its rings. */
    public VhostUserBackend backend() {
        return backend;
    }

    /** The features that the present guest has negotiated, or 0. */
    public long features() {
        return features;
    }

    void negotiated(long guestFeatures) {
        features = guestFeatures;
    }

    /** A ring has come or gone; any thread. */
    private void linkMayHaveChanged() {
        try {
            loop.execute(this::checkLink);
        } catch (RejectedExecutionException closed) {
            live = NONE;
        }
    }

    /** Control loop's thread. */
    void checkLink() {
        VhostTxQueue[] before = live;
        live = txQueues.stream().filter(VhostTxQueue::isUp).toArray(VhostTxQueue[]::new);
        if ((live.length != 0) != (before.length != 0)) {
            linkChanged(live.length != 0);
        }
    }

    /** Lets the others know where the guest's address is now, as if the guest had said so (SEND_RARP). */
    void announce(byte[] macAddress) {
        if (!announcing.compareAndSet(false, true)) {
            return;
        }
        RxQueue queue = rxQueues.getFirst();
        try {
            queue.owner().execute(() -> {
                announcing.set(false);
                try (Burst burst = new Burst()) {
                    ReverseArp.add(burst, macAddress);
                    queue.deliver(burst);
                }
            });
        } catch (RejectedExecutionException closed) {
            announcing.set(false);
        }
    }

    @Override
    protected void release() {
        backend.close();
    }
}
