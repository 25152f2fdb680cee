package io.gatun.vhostuser;

import io.gatun.linux.Epoll;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.UnixListener;
import io.gatun.linux.UnixSocket;
import io.gatun.reactor.Reactor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One device at one socket, listening or connecting, for one front-end after another.
 *
 * <p>A second front-end waits in the socket's queue until the first one is gone and everything it shared has been
 * released. Queue {@code i} is served by reactor {@code (start + i) % n}, where {@code start} moves on from device to
 * device, or by the one that the caller chooses.
 *
 * <p><b>Thread-safety:</b> any thread, but {@link #close} not on the control loop's own.
 */
public final class VhostUserBackend implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VhostUserBackend.class);

    /** Tries to connect follow each other ever more slowly, from the first of these to the second. */
    private static final int MIN_RETRY_MILLIS = 10;

    private static final int MAX_RETRY_MILLIS = 100;

    /** After which a back-end whose rings do not drain is left to finish in the background. */
    private static final int CLOSE_MARGIN_SECONDS = 2;

    private static final AtomicInteger NEXT_REACTOR = new AtomicInteger();

    private final ControlLoop loop;
    private final Path path;
    private final VirtioDevice device;
    private final IntFunction<Reactor> placement;
    private final BackendOptions options;
    private final List<VringCounters> counters;
    private final CompletableFuture<Void> released = new CompletableFuture<>();

    private final ConnectionLog log;

    private UnixListener listener;
    private ControlLoop.Watch listening;
    private int retryMillis = MIN_RETRY_MILLIS;
    private boolean closing;

    private volatile Session session;
    private volatile Connection connection;

    private VhostUserBackend(
            ControlLoop loop, Path path, VirtioDevice device, IntFunction<Reactor> placement, BackendOptions options) {
        int queues = device.queueCount();
        if (queues < 1 || queues > MessageLayout.VRING_INDEX_MASK + 1) {
            throw new IllegalArgumentException("a device has 1 to 256 queues, not " + queues);
        }
        if (device.configLength() < 0 || device.configLength() > MessageLayout.MAX_CONFIG_BYTES) {
            throw new IllegalArgumentException(
                    "a configuration space has up to 256 bytes, not " + device.configLength());
        }
        this.loop = loop;
        this.path = path;
        this.log = new ConnectionLog(path.toString());
        this.device = device;
        this.placement = placement;
        this.options = options;
        this.counters = IntStream.range(0, queues).mapToObj(i -> new VringCounters()).toList();
    }

    /**
     * Listens at a path, mode 0600; a stale socket file is replaced.
     *
     * @throws LinuxException if another process listens there, or the path cannot be used, with the remedy
     */
    public static VhostUserBackend listen(
            ControlLoop loop, Path socket, VirtioDevice device, List<Reactor> reactors, BackendOptions options) {
        return listen(loop, socket, device, spread(reactors, device), options);
    }

    /** As the other {@code listen}, with a choice of reactor for each queue. */
    public static VhostUserBackend listen(
            ControlLoop loop,
            Path socket,
            VirtioDevice device,
            IntFunction<Reactor> placement,
            BackendOptions options) {
        VhostUserBackend backend = new VhostUserBackend(loop, socket, device, placement, options);
        backend.listener = UnixListener.listen(socket.toString());
        loop.execute(backend::awaitFrontend);
        return backend;
    }

    /** Connects to a front-end that listens; keeps trying until it does, and again whenever it has gone. */
    public static VhostUserBackend connect(
            ControlLoop loop, Path socket, VirtioDevice device, List<Reactor> reactors, BackendOptions options) {
        return connect(loop, socket, device, spread(reactors, device), options);
    }

    /** As the other {@code connect}, with a choice of reactor for each queue. */
    public static VhostUserBackend connect(
            ControlLoop loop,
            Path socket,
            VirtioDevice device,
            IntFunction<Reactor> placement,
            BackendOptions options) {
        VhostUserBackend backend = new VhostUserBackend(loop, socket, device, placement, options);
        loop.execute(backend::tryToConnect);
        return backend;
    }

    private static IntFunction<Reactor> spread(List<Reactor> reactors, VirtioDevice device) {
        if (reactors.isEmpty()) {
            throw new IllegalArgumentException("a back-end needs at least one reactor");
        }
        List<Reactor> all = List.copyOf(reactors);
        int first = Math.floorMod(NEXT_REACTOR.getAndAdd(device.queueCount()), all.size());
        return queue -> all.get((first + queue) % all.size());
    }

    public Path socket() {
        return path;
    }

    public VirtioDevice device() {
        return device;
    }

    /** Whether a front-end is connected. */
    public boolean connected() {
        Connection current = connection;
        return current != null && current.isOpen();
    }

    /** Every queue of the device, whether a front-end has set it up or not. */
    public List<VringStatus> rings() {
        Session current = session;
        List<VringStatus> rings = new ArrayList<>();
        for (int i = 0; i < counters.size(); i++) {
            // Fields of a ring are read as they are: a status may mix two moments.
            Ring ring = current == null ? new Ring(i, reactor(i), counters.get(i), loop) : current.rings.get(i);
            rings.add(ring.status(current != null && current.isPacked()));
        }
        return rings;
    }

    /**
     * Stops listening, removes the socket, and ends the session: rings finish what is in flight first. Where that takes
     * longer than {@link BackendOptions#drainSeconds}, it goes on in the background, and the memory stays mapped.
     */
    @Override
    public void close() {
        assert !loop.inLoopThread() : "close a back-end outside of the control loop";
        loop.execute(this::startClosing);
        try {
            released.get(options.drainSeconds() + (long) CLOSE_MARGIN_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            LOG.warn("{}: closed, but requests are still in flight; their memory stays mapped", path);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException e) {
            LOG.error("{}: closing failed", path, e.getCause());
        }
    }

    private Reactor reactor(int queue) {
        return placement.apply(queue);
    }

    private void startClosing() {
        if (closing) {
            return;
        }
        closing = true;
        stopListening();
        if (listener != null) {
            listener.close();
        }
        if (connection == null) {
            released.complete(null);
        } else {
            connection.endInOrder();
        }
    }

    private void awaitFrontend() {
        if (!closing && listening == null) {
            listening = loop.watch(listener.fd().value(), Epoll.EPOLLIN, events -> accept());
        }
    }

    private void stopListening() {
        if (listening != null) {
            listening.close();
            listening = null;
        }
    }

    private void accept() {
        UnixSocket socket;
        try {
            socket = listener.accept();
        } catch (LinuxException e) {
            LOG.warn("{}", e.getMessage());
            stopListening();
            loop.schedule(MAX_RETRY_MILLIS, TimeUnit.MILLISECONDS, this::awaitFrontend);
            return;
        }
        if (socket != null) {
            stopListening();
            serve(socket);
        }
    }

    private void tryToConnect() {
        if (closing) {
            return;
        }
        try {
            serve(UnixSocket.connect(path.toString()));
            retryMillis = MIN_RETRY_MILLIS;
        } catch (LinuxException e) {
            boolean patient = e.errno() == Errno.ENOENT || e.errno() == Errno.ECONNREFUSED || e.errno() == Errno.EAGAIN;
            LOG.atLevel(patient ? org.slf4j.event.Level.DEBUG : org.slf4j.event.Level.WARN).log("{}", e.getMessage());
            loop.schedule(retryMillis, TimeUnit.MILLISECONDS, this::tryToConnect);
            retryMillis = Math.min(2 * retryMillis, MAX_RETRY_MILLIS);
        }
    }

    private void serve(UnixSocket socket) {
        log.connected();
        Session current = new Session(path.toString(), device, options, loop, log);
        for (int i = 0; i < counters.size(); i++) {
            current.rings.add(new Ring(i, reactor(i), counters.get(i), loop));
        }
        try {
            DeviceEvents events = () -> loop.tell(current::configChanged);
            device.attached(events, 0);
            connection = new Connection(loop, socket, current, new Requests(current, events));
            session = current;
        } catch (Throwable t) {
            // Whatever it is, the next front-end is listened for.
            LOG.error("{}: the device cannot serve a front-end", path, t);
            socket.close();
            frontendGone();
            return;
        }
        CompletableFuture<?> _ = connection.ended().thenRun(this::frontendGone);
    }

    /** Everything of the last session is released. */
    private void frontendGone() {
        session = null;
        connection = null;
        try {
            device.detached();
        } finally {
            if (closing) {
                released.complete(null);
            } else if (listener != null) {
                awaitFrontend();
            } else {
                loop.schedule(MIN_RETRY_MILLIS, TimeUnit.MILLISECONDS, this::tryToConnect);
            }
        }
    }
}
