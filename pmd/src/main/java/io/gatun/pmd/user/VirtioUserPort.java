package io.gatun.pmd.user;

import io.gatun.linux.LinuxException;
import io.gatun.linux.UnixListener;
import io.gatun.pmd.MacAddress;
import io.gatun.pmd.Placement;
import io.gatun.pmd.Port;
import io.gatun.pmd.RxQueue;
import io.gatun.pmd.TxQueue;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.FrontendException;
import io.gatun.vhostuser.VhostUserFrontend;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A port that is the guest's end of a vhost-user network device: DPDK's, Open vSwitch's, or another Gatun's.
 *
 * <p>A thread of its own, which sleeps most of the time, connects or waits for the back-end, sets the device up, and
 * does so again whenever the back-end has gone, broke the protocol, or refused: see {@link #reason()}. It tells the
 * back-end the port's MTU, and each one after the first has its network told where the port's address is now, as after
 * a migration ({@code NET_SET_MTU}, {@code SEND_RARP}).
 *
 * <p>Queue pairs live on reactors {@linkplain Placement in turn}, both rings of a pair on the same.
 *
 * <p><b>Thread-safety:</b> as {@link Port} says. Forwarders are told of the link on the port's own thread.
 */
public final class VirtioUserPort extends Port {
    private static final Logger LOG = LoggerFactory.getLogger(VirtioUserPort.class);

    /** How often a connection is looked after, and the longest that {@link #close} waits for a quiet back-end. */
    private static final Duration LOOK = Duration.ofMillis(100);

    /** Doubled with each refusal in a row, up to so many times. */
    private static final long FIRST_PAUSE_NANOS = 25_000_000;

    private static final int LONGEST_PAUSE = 5;

    /** A connection that ends sooner counts as a refusal. */
    private static final long LASTING_NANOS = 500_000_000;

    private final Path socket;
    private final VirtioUserOptions options;
    private final UnixListener listener;
    private final List<RxQueue> rxQueues;
    private final List<UserTxQueue> txQueues;
    private final Thread thread;
    private volatile boolean closing;

    /** Whether there was a back-end before: the next one may not know where this port's address is. The thread's. */
    private boolean servedBefore;

    /** Queue pairs in use; 0 while the link is down. */
    private volatile int live;

    private volatile long features;
    private volatile String macAddress;
    private volatile String reason = "has not been connected yet";

    private VirtioUserPort(
            String name, Path socket, VirtioUserOptions options, List<Reactor> reactors, boolean listens) {
        super(name);
        this.socket = socket;
        this.options = options;
        setMtu(options.mtu());
        macAddress = options.mac();
        List<Reactor> owners = Placement.inTurn(reactors, options.queues());
        List<RxQueue> receive = new ArrayList<>();
        List<UserTxQueue> transmit = new ArrayList<>();
        for (int i = 0; i < options.queues(); i++) {
            Reactor owner = owners.get(i % owners.size());
            receive.add(newRxQueue(i, owner));
            transmit.add(new UserTxQueue(this, i, owner));
        }
        rxQueues = List.copyOf(receive);
        txQueues = List.copyOf(transmit);
        listener = listens ? UnixListener.listen(socket.toString()) : null;
        thread = Thread.ofPlatform().name("gatun-virtio-user-" + name).daemon(true).unstarted(this::run);
    }

    /** Connects to a back-end that listens; keeps trying until it does, and again whenever it has gone. */
    public static VirtioUserPort connect(
            String name, Path socket, VirtioUserOptions options, List<Reactor> reactors) {
        return new VirtioUserPort(name, socket, options, reactors, false).begin();
    }

    /**
     * Listens at a path for a back-end, and for the next one when it has gone.
     *
     * @throws LinuxException if the path cannot be used, with the remedy
     */
    public static VirtioUserPort listen(
            String name, Path socket, VirtioUserOptions options, List<Reactor> reactors) {
        return new VirtioUserPort(name, socket, options, reactors, true).begin();
    }

    private VirtioUserPort begin() {
        thread.start();
        return this;
    }

    @Override
    public String type() {
        return "virtio-user";
    }

    @Override
    public List<RxQueue> rxQueues() {
        return rxQueues;
    }

    @Override
    public List<UserTxQueue> txQueues() {
        return txQueues;
    }

    @Override
    public TxQueue txFor(int hash) {
        int count = live;
        return txQueues.get(count <= 1 ? 0 : Integer.remainderUnsigned(hash, count));
    }

    @Override
    public boolean linkUp() {
        return live != 0;
    }

    /** Where the ends meet. */
    public Path socket() {
        return socket;
    }

    /** Whether this end made the socket. */
    public boolean listens() {
        return listener != null;
    }

    /** The features settled with the present back-end, or 0. */
    public long features() {
        return features;
    }

    /** The port's address, such as {@code 52:54:00:12:34:56}: its own or the last back-end's; empty without. */
    public String macAddress() {
        return macAddress;
    }

    /** Why the link is down, in words; empty while it is up. */
    public String reason() {
        return reason;
    }

    /** For the connection: runs something on an owner's thread. */
    static void on(Reactor owner, Runnable command) {
        runOn(owner, command);
    }

    private void run() {
        int refusals = 0;
        while (!closing) {
            boolean served = false;
            try (UserSession session = open()) {
                served = session == null || serve(session);
            } catch (LinuxException e) {
                // Mostly: nobody is there, which costs next to nothing to find out.
                down(e.getMessage());
                refusals = 0;
            } catch (FrontendException e) {
                down(e.getMessage());
            } catch (RuntimeException e) {
                LOG.error("{}: a connection failed", this, e);
                down(e.toString());
            }
            // Who served and went is tried again soon; who refuses or breaks the protocol, ever more rarely.
            refusals = served ? 0 : Math.min(refusals + 1, LONGEST_PAUSE);
            if (refusals != 0) {
                pause(FIRST_PAUSE_NANOS << refusals);
            }
        }
    }

    private UserSession open() {
        VhostUserFrontend device = listener == null
                ? VhostUserFrontend.connect(socket, options.timeout())
                : VhostUserFrontend.accept(listener, LOOK, options.timeout(), VhostUserFrontend.PROTOCOL_FEATURES);
        return device == null ? null : new UserSession(device, this, options);
    }

    /** Serves a connection to its end; whether it lasted. */
    private boolean serve(UserSession session) {
        session.start();
        features = session.features();
        macAddress = session.address() == null ? "" : MacAddress.text(session.address());
        live = session.pairs();
        reason = "";
        LOG.info("{} is up: {} queue pairs, features 0x{}", this, live, Long.toHexString(features));
        String end = null;
        long start = System.nanoTime();
        try {
            linkChanged(true);
            if (servedBefore) {
                session.announce();
            }
            servedBefore = true;
            while (end == null && !closing) {
                end = session.awaitEnd(LOOK);
            }
        } finally {
            // Also where that failed: nobody may take the link for up.
            live = 0;
            features = 0;
            if (closing || end != null) {
                down(end == null ? "is being closed" : end);
            }
            linkChanged(false);
        }
        return System.nanoTime() - start > LASTING_NANOS;
    }

    private void down(String why) {
        if (!why.equals(reason)) {
            reason = why;
            LOG.info("{} is down: {}", this, why);
        }
    }

    private void pause(long nanos) {
        if (!closing) {
            LockSupport.parkNanos(nanos);
        }
    }

    @Override
    protected void release() {
        closing = true;
        LockSupport.unpark(thread);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (listener != null) {
            listener.close();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
