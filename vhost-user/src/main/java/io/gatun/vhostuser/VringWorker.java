package io.gatun.vhostuser;

import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.reactor.Poller;
import io.gatun.reactor.Reactor;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.QueueConfig;
import java.util.ArrayDeque;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A started ring on its reactor: polls the device's handler, sleeps on the driver's kicks, and ends only when nothing
 * is in flight.
 *
 * <p>Whatever the handler or the queue throws, and whatever the driver violates, breaks this ring and no other: new
 * chains are no longer taken, the front-end is told through the error eventfd, and what is in flight is completed for
 * the sake of its memory.
 *
 * <p>Longer than a file should be, because a ring's whole life is one story: start, duty cycle, failure, drain, end.
 *
 * <p><b>Thread-safety:</b> the methods that return a future are called by the control loop and do their work on the
 * reactor's thread; everything else belongs to that thread. Futures complete on the reactor's thread.
 */
final class VringWorker implements Poller {
    private static final Logger LOG = LoggerFactory.getLogger(VringWorker.class);

    /** A handler that fails this often in a row is not called again; its memory then stays mapped for good. */
    private static final int MAX_FAILURES = 1000;

    private static final int NO_DESCRIPTOR = -1;

    private final String name;
    private final Vring vring;
    private final DeviceQueue queue;
    private final Reactor reactor;
    private final QueueHandler handler;
    private final int chainsPerPoll;
    private final Consumer<String> whenBroken;

    private final ArrayDeque<Runnable> whenDrained = new ArrayDeque<>();
    private int kickFd = NO_DESCRIPTOR;
    private int wakeFd = NO_DESCRIPTOR;
    private int errorFd;

    /** Whether the handler may take chains as far as the front-end is concerned. */
    private boolean takes;

    private boolean broken;
    private boolean armed;
    private boolean wokeUp;
    private boolean stopped;
    private int failures;
    private int budget;

    /**
     * What a ring starts with.
     *
     * @param name for the log
     * @param kickFd the driver's eventfd, or -1 if the ring is to be polled without end
     * @param callFd the driver's eventfd, or -1
     * @param errorFd the front-end's eventfd, or -1
     * @param whenBroken is told the reason, once, on the reactor's thread
     */
    record Start(
            String name,
            int index,
            QueueConfig config,
            int kickFd,
            int callFd,
            int errorFd,
            boolean enabled,
            int chainsPerPoll,
            VringCounters counters,
            Consumer<String> whenBroken) {}

    /**
     * Starts a ring; the future fails with what the queue or the device refuses it for; nothing is left behind then.
     */
    static CompletableFuture<VringWorker> start(Reactor reactor, VirtioDevice device, Start start) {
        return on(reactor, () -> {
            DeviceQueue queue = DeviceQueue.create(start.config());
            Vring vring = new Vring(start.index(), queue, reactor, start.callFd(), start.counters());
            QueueHandler handler = device.startQueue(start.index(), vring);
            VringWorker worker = new VringWorker(start, reactor, vring, handler);
            worker.begin(start.kickFd(), start.enabled());
            return worker;
        });
    }

    private VringWorker(Start start, Reactor reactor, Vring vring, QueueHandler handler) {
        this.name = start.name();
        this.vring = vring;
        this.queue = vring.queue();
        this.reactor = reactor;
        this.handler = handler;
        this.chainsPerPoll = start.chainsPerPoll();
        this.whenBroken = start.whenBroken();
        this.errorFd = start.errorFd();
    }

    private void begin(int kick, boolean enabled) {
        try {
            kickFd = watch(kick);
            wakeFd = watch(handler.wakeFd());
            takes = handler.enable(enabled);
            queue.suppressKicks();
            // A late InternalError of the set-up has to surface here, where everything can still be undone.
            Memory.settle();
        } catch (Throwable t) {
            release();
            throw t;
        }
        updateBudget();
        vring.counters().started();
        reactor.add(this);
    }

    /** How the ring signals its front-end, for the control loop to look after. */
    PeerSignal signal() {
        return vring.signal();
    }

    /**
     * Makes the call that a predecessor may have died before. Not part of the start: the call can block the reactor,
     * so the control loop has to look after {@link #signal} before.
     */
    void callIfOwed() {
        try {
            reactor.execute(() -> {
                if (!stopped) {
                    vring.started();
                }
            });
        } catch (RejectedExecutionException closed) {
            // The ring ends with its reactor: nobody is left to call.
        }
    }

    CompletableFuture<Void> setEnabled(boolean enable) {
        return on(reactor, () -> {
            if (!stopped) {
                takes = handler.enable(enable);
                updateBudget();
            }
            return null;
        });
    }

    /** Calls go to this descriptor from now on; the driver gets one at once, because one may have been lost. */
    CompletableFuture<Void> replaceCall(int fd) {
        return on(reactor, () -> {
            vring.replaceCallFd(fd);
            return null;
        });
    }

    CompletableFuture<Void> replaceError(int fd) {
        return on(reactor, () -> {
            errorFd = fd;
            if (broken && fd >= 0) {
                vring.signal().signal(fd);
            }
            return null;
        });
    }

    CompletableFuture<Void> replaceKick(int fd) {
        return on(reactor, () -> {
            if (stopped) {
                return null;
            }
            // The old descriptor is closed by the control plane in any case, so it is forgotten first.
            unwatch(kickFd);
            kickFd = NO_DESCRIPTOR;
            kickFd = watch(fd);
            return null;
        });
    }

    /**
     * Continues on other memory.
     *
     * @param drain whether something is taken away, so that what is in flight has to be finished first
     */
    CompletableFuture<Void> replaceMemory(GuestMemory memory, boolean drain) {
        return onceDrained(drain, () -> {
            if (!stopped && !broken && !queue.replaceMemory(memory)) {
                breakRing(queue.brokenReason(), null);
            }
            return null;
        });
    }

    /** Takes no more chains, finishes those in flight, and ends; the future gives the base for a successor. */
    CompletableFuture<Integer> stop() {
        return onceDrained(true, this::finish);
    }

    @Override
    public int poll() {
        if (broken && (failures >= MAX_FAILURES || handler.inFlight() == 0)) {
            // Nothing to complete, or nobody who could: what throws once more would only cost the other rings time.
            return 0;
        }
        int done;
        try {
            done = handler.poll(budget);
            failures = 0;
        } catch (InternalError vanished) {
            // The reactor knows whose it is, and calls failed() of the right one.
            throw vanished;
        } catch (Throwable t) {
            return failedToPoll(t);
        }
        if (queue.isBroken() && !broken) {
            breakRing(queue.brokenReason(), null);
        }
        if (wokeUp) {
            wokeUp = false;
            if (done != 0) {
                vring.counters().kicked();
            }
        }
        if (!whenDrained.isEmpty() && handler.inFlight() == 0) {
            runDrained();
        }
        return done;
    }

    @Override
    public boolean arm() {
        if (failures >= MAX_FAILURES) {
            return true;
        }
        try {
            if (!whenDrained.isEmpty()) {
                return handler.inFlight() != 0 && handler.arm();
            }
            if (budget == 0) {
                return (broken && handler.inFlight() == 0) || handler.arm();
            }
            armed = true;
            // A ring without a kick descriptor has to be polled: it keeps its reactor awake.
            return kickFd >= 0 && queue.armKicks() && handler.arm();
        } catch (InternalError vanished) {
            throw vanished;
        } catch (Throwable t) {
            failedToPoll(t);
            return false;
        }
    }

    @Override
    public void disarm() {
        if (failures >= MAX_FAILURES) {
            return;
        }
        try {
            if (armed) {
                armed = false;
                wokeUp = true;
                if (!broken) {
                    queue.suppressKicks();
                }
            }
            handler.disarm();
        } catch (InternalError vanished) {
            throw vanished;
        } catch (Throwable t) {
            failedToPoll(t);
        }
    }

    /**
     * An error surfaced outside of {@link #poll}: the reactor dropped this ring, which may still have requests in
     * flight.
     */
    @Override
    public void failed(Throwable cause) {
        failedToPoll(cause);
        if (!stopped) {
            reactor.add(this);
        }
    }

    @Override
    public String toString() {
        return name;
    }

    private int failedToPoll(Throwable cause) {
        breakRing(cause instanceof InternalError ? "memory of the front-end vanished" : "its handler failed", cause);
        if (++failures == MAX_FAILURES) {
            LOG.error("{}: its handler failed {} times in a row and is given up", name, MAX_FAILURES, cause);
        }
        if (failures < MAX_FAILURES && !whenDrained.isEmpty() && handler.inFlight() == 0) {
            runDrained();
        }
        return failures < MAX_FAILURES && handler.inFlight() != 0 ? 1 : 0;
    }

    private void breakRing(String reason, Throwable cause) {
        if (broken || stopped) {
            return;
        }
        broken = true;
        updateBudget();
        vring.counters().broke();
        // The front-end is to blame for most causes: no stack trace, and once per start.
        boolean known = cause == null || cause instanceof InternalError;
        LOG.warn("{} is broken: {}", name, known ? reason : reason + ": " + cause);
        LOG.debug("{} broke here", name, cause);
        if (errorFd >= 0) {
            vring.signal().signal(errorFd);
        }
        whenBroken.accept(reason);
    }

    private void updateBudget() {
        budget = takes && !broken && whenDrained.isEmpty() ? chainsPerPoll : 0;
    }

    private void runDrained() {
        // What vanished before is not the news of those who waited.
        Memory.settle();
        while (!whenDrained.isEmpty()) {
            whenDrained.remove().run();
        }
        updateBudget();
    }

    /** The end of the ring; returns its base. */
    private int finish() {
        if (!stopped) {
            stopped = true;
            reactor.remove(this);
            release();
        }
        return queue.base();
    }

    /** Gives back what {@link #begin} took; what fails meanwhile must not keep the ring from ending. */
    private void release() {
        unwatch(kickFd);
        kickFd = NO_DESCRIPTOR;
        unwatch(wakeFd);
        wakeFd = NO_DESCRIPTOR;
        try {
            handler.close();
        } catch (Throwable t) {
            LOG.error("{}: closing its handler failed", name, t);
        }
    }

    /** Returns {@code fd}, which wakes the reactor from now on unless it is none. */
    private int watch(int fd) {
        if (fd >= 0) {
            reactor.watch(fd);
        }
        return fd;
    }

    private void unwatch(int fd) {
        if (fd < 0) {
            return;
        }
        try {
            reactor.unwatch(fd);
        } catch (LinuxException e) {
            // A descriptor that cannot be forgotten must not keep the ring from ending.
            LOG.error("{}: {}", name, e.getMessage());
        }
    }

    /** Does work on the reactor; with {@code drain}, takes no more chains and waits for those in flight before. */
    private <T> CompletableFuture<T> onceDrained(boolean drain, Callable<T> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        execute(reactor, result, () -> {
            if (!drain || stopped) {
                complete(result, work);
                return;
            }
            whenDrained.add(() -> complete(result, work));
            updateBudget();
            if (handler.inFlight() == 0) {
                runDrained();
            }
        });
        return result;
    }

    private static <T> CompletableFuture<T> on(Reactor reactor, Callable<T> work) {
        CompletableFuture<T> result = new CompletableFuture<>();
        execute(reactor, result, () -> complete(result, work));
        return result;
    }

    private static void execute(Reactor reactor, CompletableFuture<?> result, Runnable command) {
        try {
            reactor.execute(command);
        } catch (RejectedExecutionException closed) {
            result.completeExceptionally(closed);
        }
    }

    private static <T> void complete(CompletableFuture<T> result, Callable<T> work) {
        try {
            T value = work.call();
            // A fault of memory that vanished belongs to this work, not to whoever runs next.
            Memory.settle();
            result.complete(value);
        } catch (Throwable t) {
            result.completeExceptionally(t);
        }
    }
}
