package io.gatun.vhostuser;

import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryFile;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.Payload.Inflight;
import io.gatun.vhostuser.Payload.MemoryRegion;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.InflightLayout;
import io.gatun.vring.VirtioFeatures;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one connection has set up: memory, the in-flight buffer, rings, and the way back to the front-end. {@link
 * Requests} dispatches to it.
 *
 * <p>Whatever a running ring may be using goes through the same three steps: the ring's reactor confirms that it uses
 * something else (having finished what is in flight, where memory is taken away), every reactor passes a point outside
 * of its pollers, and only then is the old thing closed.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only. Futures that are returned complete on any thread.
 */
final class Session {
    private static final Logger LOG = LoggerFactory.getLogger(Session.class);

    /** A front-end that blocks a reactor does so for at most twice this time. */
    private static final int SIGNAL_WATCH_MILLIS = 500;

    /**
     * The time to the next look where nobody is signalled: what is idle does not wake the processor often. Who blocks a
     * reactor after such a silence does so for at most this and half a second.
     */
    private static final int QUIET_WATCH_MILLIS = 2000;

    final String name;
    final VirtioDevice device;
    final BackendOptions options;
    final ConnectionLog log;
    final List<Ring> rings = new ArrayList<>();
    /** Negotiated virtio features, without the protocol's bit; read by any thread. */
    volatile long features;

    /** Ends the connection for a reason that no message of it shows. */
    Consumer<String> whenHostile = reason -> {};

    private final ControlLoop loop;
    private MemoryTable memory = MemoryTable.EMPTY;
    private InflightBuffer inflight;
    private BackendChannel channel;
    private boolean configChangePending;
    private boolean closed;
    private ControlLoop.Timer signalWatch;
    /** Mappings that were taken from the rings and wait for the reactors. */
    private final List<Mapping> retired = new ArrayList<>();

    Session(String name, VirtioDevice device, BackendOptions options, ControlLoop loop, ConnectionLog log) {
        this.name = name;
        this.device = device;
        this.options = options;
        this.log = log;
        this.loop = loop;
    }

    boolean isPacked() {
        return (features & VirtioFeatures.RING_PACKED) != 0;
    }

    boolean isRunning() {
        return rings.stream().anyMatch(Ring::isStarted);
    }

    Ring ring(String request, int index) throws ProtocolViolation {
        if (index < 0 || index >= rings.size()) {
            throw new ProtocolViolation(
                    "%s names ring %d of a device with %d queues",
                    request, Integer.toUnsignedLong(index), rings.size());
        }
        return rings.get(index);
    }

    CompletableFuture<Outcome> setMemory(List<MemoryRegion> described, List<Fd> files) throws ProtocolViolation {
        return replaceMemory(MemoryTable.of(described, files, options.requireSealedMemory()), memory.mappings());
    }

    CompletableFuture<Outcome> addMemory(MemoryRegion described, Fd file) throws ProtocolViolation {
        return changeMemory(memory.with(described, file, options.requireSealedMemory()), List.of());
    }

    CompletableFuture<Outcome> removeMemory(MemoryRegion described) throws ProtocolViolation {
        MemoryTable.Region region = memory.find(described);
        List<Mapping> unused = region.uses() > 1 ? List.of() : List.of(region.mapping());
        return changeMemory(memory.without(region), unused);
    }

    /** Rings are told only where there is something to tell. */
    private CompletableFuture<Outcome> changeMemory(MemoryTable replacement, List<Mapping> removed) {
        if (replacement.regions().size() == memory.regions().size()) {
            memory = replacement;
            return Outcome.DONE;
        }
        return replaceMemory(replacement, removed);
    }

    private CompletableFuture<Outcome> replaceMemory(MemoryTable replacement, List<Mapping> removed) {
        announce(replacement);
        memory = replacement;
        retired.addAll(removed);
        if (!isRunning()) {
            closeRetired();
            return Outcome.DONE;
        }
        GuestMemory snapshot = replacement.guestMemory();
        return all(rings.stream().map(r -> r.replaceMemory(snapshot, !removed.isEmpty())).toList())
                .thenCompose(_ -> removed.isEmpty() ? CompletableFuture.completedFuture(null) : quiesce())
                .thenApplyAsync(_ -> {
                    closeRetired();
                    return Outcome.DONE.join();
                }, loop);
    }

    /** Tells the device of the mappings that are new in a table; if it throws, none of them is left. */
    private void announce(MemoryTable replacement) {
        List<Mapping> added = new ArrayList<>(replacement.mappings());
        added.removeAll(memory.mappings());
        int announced = 0;
        try {
            for (Mapping mapping : added) {
                device.memoryAdded(mapping.address(), mapping.lengthBytes());
                announced++;
            }
        } catch (Throwable t) {
            added.subList(0, announced).forEach(this::unmap);
            added.subList(announced, added.size()).forEach(Mapping::close);
            throw t;
        }
    }

    private void closeRetired() {
        retired.forEach(this::unmap);
        retired.clear();
    }

    /** A device that throws keeps neither this mapping from being closed nor those after it. */
    private void unmap(Mapping mapping) {
        try {
            device.memoryRemoved(mapping.address());
        } catch (Throwable t) {
            LOG.error("{}: the device fails to give memory back", name, t);
        } finally {
            mapping.close();
        }
    }

    /** Starts a ring that has got its kick descriptor. */
    CompletableFuture<Outcome> start(Ring ring) throws ProtocolViolation {
        boolean packed = isPacked();
        long address = inflight == null ? 0 : inflight.address(ring.index, ring.size, packed);
        long bytes = address == 0 ? 0 : InflightLayout.regionBytes(packed, ring.size);
        VringWorker.Start start = ring.start(
                name, ring.config(features, memory.guestMemory(), address, bytes), options.chainsPerPoll());
        return VringWorker.start(ring.reactor, device, start).thenApplyAsync(worker -> {
            ring.started(worker);
            watchSignals();
            worker.callIfOwed();
            sendPendingConfigChange();
            return Outcome.DONE.join();
        }, loop);
    }

    /** Looks after the signals of running rings until everything is released: see {@link PeerSignal}. */
    private void watchSignals() {
        if (signalWatch == null) {
            boolean quiet = rings.stream().allMatch(Ring::isQuiet);
            int millis = quiet ? QUIET_WATCH_MILLIS : SIGNAL_WATCH_MILLIS;
            signalWatch = loop.schedule(millis, TimeUnit.MILLISECONDS, this::lookAfterSignals);
        }
    }

    /** The next look is arranged after this one, which tells how soon that has to be. */
    private void lookAfterSignals() {
        signalWatch = null;
        try {
            rings.forEach(this::checkSignal);
        } finally {
            if (isRunning()) {
                watchSignals();
            }
        }
    }

    private void checkSignal(Ring ring) {
        try {
            if (ring.freeStuckSignal()) {
                whenHostile.accept("the eventfds of ring " + ring.index + " block whoever signals them");
            }
        } catch (Throwable t) {
            // Descriptors or threads have run out: the other rings get their turn, and this one another.
            LOG.error("{}: ring {} blocks its reactor and cannot be freed yet", name, ring.index, t);
        }
    }

    /** Stops a ring and gives its base. */
    CompletableFuture<Integer> stop(Ring ring) {
        if (!ring.isStarted()) {
            return ring.stop();
        }
        return ring.stop().thenApplyAsync(base -> {
            ring.stopped(base);
            return base;
        }, loop);
    }

    /** Stops all rings and forgets what the driver set up; memory and notification descriptors stay. */
    CompletableFuture<Outcome> reset() {
        return all(rings.stream().map(this::stop).toList()).thenApplyAsync(_ -> {
            rings.forEach(Ring::reset);
            features = 0;
            closeInflight();
            device.reset();
            return Outcome.DONE.join();
        }, loop);
    }

    /** A new in-flight buffer for {@code GET_INFLIGHT_FD}; it is used until the front-end sets another. */
    Message createInflight(Inflight wanted) throws ProtocolViolation {
        requireStopped("GET_INFLIGHT_FD");
        try (MemoryFile file = InflightBuffer.createFile(wanted, isPacked())) {
            Inflight described = new Inflight(file.lengthBytes(), 0, wanted.queues(), wanted.queueSize());
            InflightBuffer buffer = InflightBuffer.map(described, file.fd());
            closeInflight();
            inflight = buffer;
            saveDriverState();
            return Message.reply(
                    Request.GET_INFLIGHT_FD, described.encode(), file.fd().duplicate());
        }
    }

    void setInflight(Inflight described, Fd file) throws ProtocolViolation {
        requireStopped("SET_INFLIGHT_FD");
        InflightBuffer buffer = InflightBuffer.map(described, file);
        closeInflight();
        inflight = buffer;
        if (!buffer.restoreState(device, isPacked())) {
            saveDriverState();
        }
    }

    /** The driver may have set something that no front-end repeats after a restart: it is kept with the requests. */
    void saveDriverState() throws ProtocolViolation {
        if (inflight != null) {
            inflight.saveState(device.driverState(), isPacked());
        }
    }

    private void requireStopped(String request) throws ProtocolViolation {
        if (isRunning()) {
            throw new ProtocolViolation("%s comes while rings are running", request);
        }
    }

    private void closeInflight() {
        if (inflight != null) {
            inflight.close();
            inflight = null;
        }
    }

    void setChannel(Fd fd) {
        if (channel != null) {
            channel.close();
        }
        channel = new BackendChannel(fd);
        sendPendingConfigChange();
    }

    /**
     * The device's configuration changed. A suspended device does not speak, so this may wait for the first ring, or
     * for the channel: Cloud Hypervisor sends that last.
     */
    void configChanged() {
        configChangePending = !closed;
        sendPendingConfigChange();
    }

    private void sendPendingConfigChange() {
        if (configChangePending && channel != null && isRunning()) {
            configChangePending = false;
            channel.configChanged();
        }
    }

    /** Ends everything; the future completes, on the control loop, when nothing of this session is left. */
    CompletableFuture<Void> close() {
        closed = true;
        if (channel != null) {
            channel.close();
            channel = null;
        }
        // A reactor that is closed already refuses, and uses nothing any more.
        return all(rings.stream().map(this::stop).toList())
                .handle((_, _) -> null)
                .thenCompose(_ -> quiesce())
                .thenAcceptAsync(_ -> release(), loop);
    }

    private void release() {
        rings.forEach(Ring::close);
        memory.mappings().forEach(this::unmap);
        memory = MemoryTable.EMPTY;
        closeRetired();
        closeInflight();
    }

    private CompletableFuture<Void> quiesce() {
        return Reactor.quiesce(rings.stream().map(r -> r.reactor).distinct().toList());
    }

    static CompletableFuture<Void> all(List<? extends CompletableFuture<?>> futures) {
        return CompletableFuture.allOf(futures.toArray(CompletableFuture<?>[]::new));
    }
}
