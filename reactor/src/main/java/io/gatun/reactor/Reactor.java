package io.gatun.reactor;

import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.linux.Scheduling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jctools.queues.varhandle.MpscUnboundedVarHandleArrayQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread, usually pinned to one core, that runs pollers and commands until it is closed.
 *
 * <p>A duty cycle runs the commands that have arrived and then every poller once. While there is work, cycles follow
 * each other at once. After {@value #SPIN_NANOS} nanoseconds without any, an {@linkplain IdlePolicy#ADAPTIVE adaptive}
 * reactor arms every poller, looks for commands a last time, and sleeps until a command or a watched descriptor wakes
 * it.
 *
 * <p>A poller that throws is removed and told so; the others go on. That a peer's memory has vanished surfaces late in
 * compiled code, perhaps in a call of another poller, which would lose what it was at. So where there are several, each
 * call is settled before the next one; a poller that is alone is to blame whenever it surfaces.
 *
 * <p>Longer than a file should be: a thread's whole life on one page, with what may go wrong at each point of it.
 *
 * <p><b>Thread-safety:</b> {@link #execute}, {@link #submit}, {@link #wake}, {@link #quiesce}, {@link #close} and the
 * counters are for any thread. {@link #add}, {@link #remove}, {@link #watch} and {@link #unwatch} are for the reactor's
 * own thread, that is for commands and pollers. What happened before {@code execute} is visible to the command.
 */
@SuppressWarnings("ReferenceEquality") // threads, pollers and snapshots are compared by identity
public final class Reactor implements AutoCloseable {
    /** What a reactor does when there is nothing to do. */
    public enum IdlePolicy {
        /** Spins briefly, then sleeps until there is work: an idle reactor costs no processor time. */
        ADAPTIVE,
        /** Spins for ever: the lowest latency, and all of one core. */
        POLL
    }

    /**
     * How long an adaptive reactor spins without work before it sleeps: well above a device's answer, well below a time
     * slice.
     */
    static final long SPIN_NANOS = 50_000;

    /** Commands run per cycle at most, so that pollers get their turn. */
    private static final int COMMANDS_PER_CYCLE = 64;

    private static final int COMMAND_CHUNK = 128;

    private static final Poller[] NONE = {};
    private static final Logger LOG = LoggerFactory.getLogger(Reactor.class);

    private final String name;
    private final int cpu;
    private final boolean maySleep;
    private final Thread thread;
    private final CompletableFuture<Void> started = new CompletableFuture<>();
    private final Sleep sleep = new Sleep();
    private final Counters counters = new Counters();
    private final MpscUnboundedVarHandleArrayQueue<Runnable> commands =
            new MpscUnboundedVarHandleArrayQueue<>(COMMAND_CHUNK);

    /** Threads between their look at {@link #closed} and the end of their offer. */
    private final AtomicInteger senders = new AtomicInteger();

    private volatile boolean closed;

    // Owned by the reactor's thread.
    private Poller[] pollers = NONE;
    private boolean running = true;

    private Reactor(String name, int cpu, IdlePolicy idle) {
        this.name = name;
        this.cpu = cpu;
        this.maySleep = idle == IdlePolicy.ADAPTIVE;
        this.thread = Thread.ofPlatform().name(name).daemon(true).unstarted(this::run);
    }

    /**
     * Starts a reactor and returns once it runs.
     *
     * @param name also the name of its thread
     * @param cpu the processor it is pinned to, or -1 to let the scheduler decide
     * @throws LinuxException if this process may not use that processor
     */
    public static Reactor start(String name, int cpu, IdlePolicy idle) {
        Reactor reactor = new Reactor(name, cpu, idle);
        reactor.thread.start();
        try {
            reactor.started.join();
        } catch (java.util.concurrent.CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
        return reactor;
    }

    public String name() {
        return name;
    }

    /** The processor this reactor is pinned to, or -1. */
    public int cpu() {
        return cpu;
    }

    /**
     * Runs a command between two duty cycles, after all commands sent before it by this thread; wakes a sleeper. A
     * command that throws is logged and counted.
     *
     * @throws RejectedExecutionException after {@link #close}; every command that is accepted runs
     */
    public void execute(Runnable command) {
        senders.incrementAndGet();
        try {
            if (closed) {
                throw new RejectedExecutionException("reactor " + name + " is closed");
            }
            commands.offer(command);
        } finally {
            senders.decrementAndGet();
        }
        sleep.wake();
    }

    /** Like {@link #execute}; the result completes, on the reactor's thread, with what became of the command. */
    public CompletableFuture<Void> submit(Runnable command) {
        CompletableFuture<Void> result = new CompletableFuture<>();
        execute(() -> {
            try {
                command.run();
            } catch (Throwable t) {
                counters.countFailure();
                result.completeExceptionally(t);
                return;
            }
            result.complete(null);
        });
        return result;
    }

    /**
     * Ends a sleep, so that every poller looks for work: for whoever has made work visible that {@link Poller#arm}
     * looks for. Costs a fence and a load while the reactor is awake. Any thread, until {@link #close}.
     */
    public void wake() {
        sleep.wake();
    }

    /** Adds a poller; it is polled from the next cycle on. */
    public void add(Poller poller) {
        assert inReactorThread() : "add a poller on the reactor's thread";
        Poller[] next = Arrays.copyOf(pollers, pollers.length + 1);
        next[pollers.length] = poller;
        pollers = next;
    }

    /** Removes a poller; it is not called again. Nothing happens if it is not there. */
    public void remove(Poller poller) {
        assert inReactorThread() : "remove a poller on the reactor's thread";
        List<Poller> next = new ArrayList<>(Arrays.asList(pollers));
        if (next.removeIf(p -> p == poller)) {
            pollers = next.toArray(NONE);
        }
    }

    /**
     * Lets a write to {@code fd} end a sleep. Edge-triggered and never drained: the reactor does not read from it.
     *
     * @throws LinuxException if it cannot be waited for, or is watched already
     */
    public void watch(int fd) {
        assert inReactorThread() : "watch a descriptor on the reactor's thread";
        sleep.watch(fd);
    }

    /** Forgets a watched descriptor, which must still be open; throws {@link LinuxException}. */
    public void unwatch(int fd) {
        assert inReactorThread() : "unwatch a descriptor on the reactor's thread";
        sleep.unwatch(fd);
    }

    public boolean inReactorThread() {
        return Thread.currentThread() == thread;
    }

    /**
     * Advances with every duty cycle; it stands still while the reactor sleeps, and a sleeping reactor is in no poller.
     */
    public long epoch() {
        return counters.cycles();
    }

    /**
     * Completes when each reactor has been outside of every poller at least once after this call: from then on nothing
     * uses what was taken away from the pollers before it. Sleepers are woken for it; closed reactors count as passed.
     */
    public static CompletableFuture<Void> quiesce(Collection<Reactor> reactors) {
        return CompletableFuture.allOf(reactors.stream().map(Reactor::pass).toArray(CompletableFuture<?>[]::new));
    }

    public Counters counters() {
        return counters;
    }

    /**
     * Runs the commands that were accepted, stops and waits for the thread. Pollers have to be gone by then. Not for
     * the reactor's own thread.
     */
    @Override
    public void close() {
        if (inReactorThread()) {
            throw new IllegalStateException("reactor " + name + " cannot wait for its own end");
        }
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            commands.offer(() -> running = false);
            sleep.wake();
            joinUninterruptibly();
            sleep.close();
        }
        assert pollers.length == 0 : "reactor " + name + " was closed with pollers " + Arrays.toString(pollers);
    }

    @Override
    public String toString() {
        return "reactor " + name + (cpu < 0 ? "" : " on core " + cpu);
    }

    private static CompletableFuture<Void> pass(Reactor reactor) {
        try {
            return reactor.submit(() -> {});
        } catch (RejectedExecutionException closed) {
            return CompletableFuture.completedFuture(null);
        }
    }

    private void run() {
        try {
            pin();
            started.complete(null);
        } catch (RuntimeException e) {
            sleep.close();
            started.completeExceptionally(e);
            return;
        }
        while (running) {
            try {
                loop();
            } catch (Throwable t) {
                failOutside(t);
            }
        }
        // Senders that passed their check before the close are let through, and everything accepted is run.
        while (senders.get() != 0) {
            Thread.onSpinWait();
        }
        int left;
        do {
            left = runCommands();
        } while (left != 0);
    }

    private void loop() {
        long sampled = System.nanoTime();
        long worked = sampled;
        int workInSample = 0;
        int cyclesInSample = 0;
        while (running) {
            int work = runCommands() + runPollers();
            counters.countCycle();
            if (work != 0) {
                counters.countBusyCycle();
                workInSample = 1;
            }
            if (++cyclesInSample == Counters.CYCLES_PER_SAMPLE) {
                long now = System.nanoTime();
                counters.sample(now - sampled, workInSample != 0);
                if (workInSample != 0) {
                    worked = now;
                } else if (maySleep && now - worked >= SPIN_NANOS) {
                    sleepUntilWork();
                    long awake = System.nanoTime();
                    counters.countSlept(awake - now);
                    now = awake;
                    worked = awake;
                }
                sampled = now;
                workInSample = 0;
                cyclesInSample = 0;
            }
        }
    }

    private int runCommands() {
        int done = 0;
        Runnable command;
        while (done < COMMANDS_PER_CYCLE && (command = commands.relaxedPoll()) != null) {
            if (done == 0) {
                settleEarlier();
            }
            done++;
            counters.countCommand();
            try {
                command.run();
                Memory.settle();
            } catch (Throwable t) {
                counters.countFailure();
                LOG.error("a command of {} failed", this, t);
            }
        }
        return done;
    }

    private int runPollers() {
        Poller[] snapshot = pollers;
        boolean several = snapshot.length > 1;
        int work = 0;
        for (Poller poller : snapshot) {
            try {
                work += poller.poll();
                if (several) {
                    Memory.settle();
                }
            } catch (Throwable t) {
                fail(poller, t);
            }
            if (pollers != snapshot) {
                // One was added or removed by the other: the rest of this snapshot may be stale.
                return work + 1;
            }
        }
        return work;
    }

    private void sleepUntilWork() {
        settleEarlier();
        sleep.announce();
        try {
            if (commands.isEmpty() && armPollers()) {
                counters.countSleep();
                sleep.await();
            }
        } finally {
            sleep.end();
            disarmPollers();
        }
    }

    private boolean armPollers() {
        for (Poller poller : pollers) {
            try {
                boolean armed = poller.arm();
                Memory.settle();
                if (!armed) {
                    return false;
                }
            } catch (Throwable t) {
                fail(poller, t);
                return false;
            }
        }
        return true;
    }

    private void disarmPollers() {
        Poller[] snapshot = pollers;
        boolean several = snapshot.length > 1;
        for (Poller poller : snapshot) {
            try {
                poller.disarm();
                if (several) {
                    Memory.settle();
                }
            } catch (Throwable t) {
                fail(poller, t);
            }
        }
    }

    private void fail(Poller poller, Throwable cause) {
        counters.countFailure();
        remove(poller);
        try {
            poller.failed(cause);
        } catch (Throwable t) {
            LOG.error("poller {} failed, and then failed to fail", poller, t);
        }
    }

    /** An error outside of all calls; that memory has vanished can then only be news of a poller that is alone. */
    private void failOutside(Throwable cause) {
        if (cause instanceof InternalError && pollers.length == 1) {
            fail(pollers[0], cause);
            return;
        }
        counters.countFailure();
        LOG.error("{} failed outside of its pollers", this, cause);
    }

    /** Takes an error of earlier calls, so that it does not surface in the next one. */
    private void settleEarlier() {
        try {
            Memory.settle();
        } catch (InternalError vanished) {
            failOutside(vanished);
        }
    }

    private void pin() {
        if (cpu < 0) {
            return;
        }
        int result = Scheduling.pinCurrentThread(cpu);
        if (result < 0) {
            throw new LinuxException(
                    "pin reactor " + name + " to core " + cpu,
                    result,
                    "choose one of the cores " + Scheduling.allowedCpus());
        }
    }

    private void joinUninterruptibly() {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
