package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Opcode;
import io.gatun.nvme.spec.Registers;
import io.gatun.vfio.DmaArena;
import io.gatun.vfio.DmaSpace;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * The admin queue pair: one command at a time, whose sender waits for it, beside the asynchronous event requests.
 *
 * <p><b>Thread-safety:</b> any thread; a lock lets one in. {@link #restart} is for whoever disabled the controller.
 */
final class AdminQueue implements AutoCloseable {
    /** Bytes of data that one command transfers at most. */
    static final int DATA_BYTES = 4096;

    static final int ENTRIES = 32;

    private static final int DEPTH = 16;
    private static final int MOST_EVENT_REQUESTS = 4;
    private static final long SPIN_NANOS = TimeUnit.MICROSECONDS.toNanos(50);
    private static final long LOOK_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

    final ReentrantLock lock = new ReentrantLock();

    private final NvmeTransport transport;
    private final ControllerSwitch power;
    private final HostErrorLog errors;
    private final Consumer<String> whenStuck;
    private final DmaArena arena;
    private final long submissions;
    private final long completions;
    private final long data;
    private final CompletionBurst burst = new CompletionBurst(DEPTH);
    private final boolean[] isEventRequest = new boolean[DEPTH];
    private final ArrayDeque<Integer> events = new ArrayDeque<>();

    private QueuePair pair;
    private int eventRequests;

    /** A command did not come back: its buffer is the controller's until a reset. */
    private volatile boolean stuck = true;

    /**
     * @param errors where refused commands are noted
     * @param whenStuck is told why the controller needs a reset
     */
    AdminQueue(
            NvmeTransport transport, ControllerSwitch power, HostErrorLog errors, Consumer<String> whenStuck) {
        this.transport = transport;
        this.power = power;
        this.errors = errors;
        this.whenStuck = whenStuck;
        arena = new DmaArena(transport.memory(), 4 * DmaSpace.PAGE_BYTES);
        try {
            submissions = arena.allocate((long) ENTRIES << Entries.COMMAND_SHIFT, DmaSpace.PAGE_BYTES);
            completions = arena.allocate((long) ENTRIES << Entries.COMPLETION_SHIFT, DmaSpace.PAGE_BYTES);
            data = arena.allocate(DATA_BYTES, DmaSpace.PAGE_BYTES);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** Starts over with a controller that is disabled, and enables it. */
    void restart() {
        lock.lock();
        try {
            pair = new QueuePair(
                    transport,
                    0,
                    submissions,
                    completions,
                    ENTRIES,
                    DEPTH,
                    Registers.doorbellStride(power.capabilities()));
            pair.restart();
            java.util.Arrays.fill(isEventRequest, false);
            events.clear();
            eventRequests = 0;
            DmaSpace memory = transport.memory();
            power.enable(memory.translate(submissions), memory.translate(completions), ENTRIES);
            stuck = false;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Sends a command without data and waits for it; returns the first double word of its completion.
     *
     * @throws NvmeException with the controller's status, or where it does not answer in time
     */
    int execute(String what, AdminCommand command, long timeoutNanos) {
        lock.lock();
        try {
            return run(what, command, command.prp1, timeoutNanos);
        } finally {
            lock.unlock();
        }
    }

    /** Sends a command that returns data, at most {@value #DATA_BYTES} bytes. */
    byte[] read(String what, AdminCommand command, int bytes, long timeoutNanos) {
        lock.lock();
        try {
            checkUsable(what); // after close() the memory is not ours any more
            // What the controller does not write must not be what an earlier command left.
            Memory.fill(data, DATA_BYTES, (byte) 0);
            run(what, command, transport.memory().translate(data), timeoutNanos);
            byte[] copy = new byte[bytes];
            Memory.copyToArray(data, copy, 0, bytes);
            return copy;
        } finally {
            lock.unlock();
        }
    }

    /** Keeps event requests at the controller, as many as it takes but no more than a few. */
    void requestEvents(int limit) {
        lock.lock();
        try {
            while (!stuck && eventRequests < Math.min(limit, MOST_EVENT_REQUESTS)) {
                int identifier = pair.take();
                isEventRequest[identifier] = true;
                eventRequests++;
                pair.submit(identifier, Opcode.ASYNC_EVENT_REQUEST, 0, 0, 0, 0, 0, 0);
            }
            if (!stuck) {
                pair.ring();
            }
        } finally {
            lock.unlock();
        }
    }

    /** The next event that has come, or null: the first double word of its completion (Base figure 146). */
    Integer pollEvent() {
        if (!lock.tryLock()) {
            return null; // whoever is waiting for a command collects the events too
        }
        try {
            if (!stuck && events.isEmpty()) {
                int ignored = collect(QueuePair.NONE);
            }
            return events.poll();
        } finally {
            lock.unlock();
        }
    }

    private int run(String what, AdminCommand command, long prp1, long timeoutNanos) {
        checkUsable(what);
        int identifier = pair.take();
        long cdw10 = (command.cdw10 & 0xffff_ffffL) | ((long) command.cdw11 << 32);
        long cdw12 = (command.cdw12 & 0xffff_ffffL) | ((long) command.cdw13 << 32);
        pair.submit(identifier, command.opcode, command.namespace, prp1, command.prp2, cdw10, cdw12, 0);
        pair.ring();
        int at = await(what, identifier, timeoutNanos);
        int status = burst.statuses[at];
        if (NvmeStatus.code(status) != NvmeStatus.SUCCESS) {
            if (!command.mayBeRefused) {
                errors.note(0, identifier, command.opcode, status, command.namespace, 0, 0);
            }
            throw new NvmeException(transport.name() + ": " + what, status);
        }
        return burst.results[at];
    }

    private void checkUsable(String what) {
        if (stuck) {
            throw new NvmeException(transport.name() + ": " + what + ": the controller is being reset; try again");
        }
    }

    private int await(String what, int identifier, long timeoutNanos) {
        long start = System.nanoTime();
        while (true) {
            // The clock before the queue: what has completed in time counts, however late we look.
            long waited = System.nanoTime() - start;
            int at = collect(identifier);
            if (at >= 0) {
                return at;
            }
            if (stuck) {
                throw new NvmeException(transport.name() + ": " + what + ": the controller was reset meanwhile");
            }
            if (waited > SPIN_NANOS) {
                if (power.isGone()) {
                    stuck = true;
                    whenStuck.accept("is gone");
                    throw power.gone();
                }
                if (waited > timeoutNanos) {
                    stuck = true;
                    String late = what + " has not completed after " + TimeUnit.NANOSECONDS.toMillis(waited) + " ms";
                    whenStuck.accept(late);
                    throw new NvmeException(transport.name() + ": " + late + "; the controller is reset");
                }
                LockSupport.parkNanos(LOOK_NANOS);
            }
        }
    }

    /** Takes completions; returns where in the burst that of {@code wanted} is, or -1. */
    private int collect(int wanted) {
        int count = pair.poll(burst);
        pair.report();
        int found = -1;
        for (int i = 0; i < count; i++) {
            int identifier = burst.identifiers[i];
            pair.release(identifier);
            if (identifier == wanted) {
                found = i;
            } else if (isEventRequest[identifier]) {
                isEventRequest[identifier] = false;
                eventRequests--;
                if (NvmeStatus.code(burst.statuses[i]) == NvmeStatus.SUCCESS) {
                    events.add(burst.results[i]);
                } else {
                    errors.note(0, identifier, Opcode.ASYNC_EVENT_REQUEST, burst.statuses[i], 0, 0, 0);
                }
            }
        }
        if (pair.strays() != 0 && !stuck) {
            stuck = true;
            whenStuck.accept("completed an admin command that was not sent");
        }
        return found;
    }

    /** Whether it takes no commands until {@link #restart}. */
    boolean isStuck() {
        return stuck;
    }

    /** Keeps everyone out until {@link #restart}: the controller is about to be disabled. */
    void stop() {
        stuck = true;
    }

    /** Frees the queues, after the controller was disabled. */
    @Override
    public void close() {
        stop();
        lock.lock();
        try {
            arena.close();
        } finally {
            lock.unlock();
        }
    }
}
