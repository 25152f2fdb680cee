package io.gatun.vhostuser;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.Payload.VringAddress;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.QueueConfig;
import java.util.HashSet;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/**
 * One ring as the control plane sees it: what the front-end has said about it, and its worker while it is started.
 *
 * <p>Started and enabled are independent. A ring starts with its kick descriptor ({@code SET_VRING_KICK}), when size
 * and addresses are known and mapped, and stops with {@code GET_VRING_BASE}; it can start again.
 *
 * <p><b>Thread-safety:</b> the control loop's thread only, except {@link #status}.
 */
final class Ring {
    private static final int NO_DESCRIPTOR = -1;

    final int index;
    final Reactor reactor;
    final VringCounters counters;
    private final ControlLoop loop;

    volatile int size;
    volatile boolean enabled;
    volatile String broken;
    /** Where the ring starts. */
    private int base;
    /** What {@code GET_VRING_BASE} is answered with while the ring is stopped; QEMU asks after a reset, too. */
    private int stoppedAt;
    VringAddress address;

    private Fd kick;
    private Fd call;
    private Fd error;
    /** Replaced, and open until the reactor confirms: it may be stuck in a signal of one. */
    private final Set<Fd> retiring = new HashSet<>();

    private volatile VringWorker worker;

    Ring(int index, Reactor reactor, VringCounters counters, ControlLoop loop) {
        this.index = index;
        this.reactor = reactor;
        this.counters = counters;
        this.loop = loop;
    }

    boolean isStarted() {
        return worker != null;
    }

    /** How it is now, for any thread. */
    VringStatus status(boolean packed) {
        return new VringStatus(index, size, packed, isStarted(), enabled, reactor.name(), broken, counters);
    }

    /** Takes {@code SET_VRING_BASE}. */
    void setBase(int value) {
        base = value;
        stoppedAt = value;
    }

    /** A front-end may change nothing but notifications, memory and enabling while a ring runs. */
    void requireStopped(String request) throws ProtocolViolation {
        if (isStarted()) {
            throw new ProtocolViolation("%s changes ring %d, which is running", request, index);
        }
    }

    /** Takes a kick descriptor, or null for a ring that is to be polled, and starts the ring if it is not running. */
    CompletableFuture<Void> kick(Fd descriptor) {
        Fd old = kick;
        kick = descriptor;
        return closeAfter(old, worker == null ? null : worker.replaceKick(value(descriptor)));
    }

    CompletableFuture<Void> call(Fd descriptor) {
        Fd old = call;
        call = descriptor;
        return closeAfter(old, worker == null ? null : worker.replaceCall(value(descriptor)));
    }

    CompletableFuture<Void> error(Fd descriptor) {
        Fd old = error;
        error = descriptor;
        return closeAfter(old, worker == null ? null : worker.replaceError(value(descriptor)));
    }

    CompletableFuture<Void> enable(boolean enable) {
        enabled = enable;
        return worker == null ? CompletableFuture.completedFuture(null) : worker.setEnabled(enable);
    }

    /** What the queue is made from; a violation if the front-end has not said enough. */
    QueueConfig config(long features, GuestMemory memory, long inflightAddress, long inflightBytes)
            throws ProtocolViolation {
        if (size == 0 || address == null) {
            throw new ProtocolViolation(
                    "SET_VRING_KICK starts ring %d before its %s", index, size == 0 ? "size" : "addresses");
        }
        return new QueueConfig(
                size,
                features,
                address.descriptor(),
                address.available(),
                address.used(),
                base,
                memory,
                inflightAddress,
                inflightBytes);
    }

    VringWorker.Start start(String device, QueueConfig config, int chainsPerPoll) {
        broken = null;
        return new VringWorker.Start(
                "ring " + index + " of " + device,
                index,
                config,
                value(kick),
                value(call),
                value(error),
                enabled,
                chainsPerPoll,
                counters,
                reason -> loop.tell(() -> broken = reason));
    }

    void started(VringWorker started) {
        worker = started;
    }

    CompletableFuture<Void> replaceMemory(GuestMemory memory, boolean drain) {
        return worker == null ? CompletableFuture.completedFuture(null) : worker.replaceMemory(memory, drain);
    }

    /** Stops the worker, if there is one; {@link #stopped} is to follow on the control loop. */
    CompletableFuture<Integer> stop() {
        return worker == null ? CompletableFuture.completedFuture(stoppedAt) : worker.stop();
    }

    /** The worker has ended: forgets it and the kick descriptor, and keeps where to go on. */
    void stopped(int newBase) {
        worker = null;
        setBase(newBase);
        if (kick != null) {
            kick.close();
            kick = null;
        }
    }

    /**
     * Back to the state of a new connection, but for the descriptors that front-ends send only once, and for where the
     * ring has stopped: QEMU suspends a device by the status 0, then asks every ring where it is to go on.
     */
    void reset() {
        size = 0;
        base = 0;
        address = null;
        enabled = false;
        broken = null;
    }

    /** Closes what the front-end sent; the worker is gone. */
    void close() {
        for (Fd fd : new Fd[] {kick, call, error}) {
            if (fd != null) {
                fd.close();
            }
        }
        retiring.forEach(Fd::close);
        retiring.clear();
    }

    /** Frees the reactor if the front-end has blocked it in a signal since the last look; true if it had. */
    boolean freeStuckSignal() {
        VringWorker running = worker;
        if (running == null || !running.signal().isStuck()) {
            return false;
        }
        // An old kick descriptor may be among those that retire; to drain it does no harm.
        running.signal()
                .free(Stream.concat(Stream.of(call, error).filter(Objects::nonNull), retiring.stream())
                        .toList());
        return true;
    }

    /** Whether nobody was signalled of late. */
    boolean isQuiet() {
        VringWorker running = worker;
        return running == null || running.signal().isQuiet();
    }

    /**
     * Accepts eventfds and nothing else: a pipe, socket or file could stop the reactor that writes to it, or never wake
     * it.
     */
    static void requireEventFd(String request, Fd descriptor) throws ProtocolViolation {
        if (!EventFd.isEventFd(descriptor.value())) {
            throw new ProtocolViolation("%s carries a descriptor that is not an eventfd", request);
        }
        EventFd.makeNonBlocking(descriptor.value());
    }

    private CompletableFuture<Void> closeAfter(Fd old, CompletableFuture<Void> replaced) {
        if (old == null) {
            return replaced == null ? CompletableFuture.completedFuture(null) : replaced;
        }
        if (replaced == null) {
            old.close();
            return CompletableFuture.completedFuture(null);
        }
        // The worker may use the old descriptor until it has confirmed the new one.
        retiring.add(old);
        return replaced.whenCompleteAsync((_, _) -> {
            retiring.remove(old);
            old.close();
        }, loop);
    }

    private static int value(Fd descriptor) {
        return descriptor == null ? NO_DESCRIPTOR : descriptor.value();
    }
}
