package io.gatun.reactor;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What a reactor has done since it was started.
 *
 * <p>Times are sampled: the clock is read every {@value #CYCLES_PER_SAMPLE} cycles, and the span in between is busy if
 * any of its cycles did work. Sleep is idle time.
 *
 * <p><b>Thread-safety:</b> written by the reactor alone with opaque stores; any thread may read. Values of one moment
 * need not fit together.
 */
public final class Counters {
    static final int CYCLES_PER_SAMPLE = 16;

    private static final VarHandle CYCLES = handle("cycles");
    private static final VarHandle BUSY_CYCLES = handle("busyCycles");
    private static final VarHandle BUSY_NANOS = handle("busyNanos");
    private static final VarHandle IDLE_NANOS = handle("idleNanos");
    private static final VarHandle LONGEST_NANOS = handle("longestNanos");
    private static final VarHandle SLEEPS = handle("sleeps");
    private static final VarHandle COMMANDS = handle("commands");
    private static final VarHandle FAILURES = handle("failures");

    private long cycles;
    private long busyCycles;
    private long busyNanos;
    private long idleNanos;
    private long longestNanos;
    private long sleeps;
    private long commands;
    private long failures;

    Counters() {}

    /** Duty cycles. */
    public long cycles() {
        return (long) CYCLES.getOpaque(this);
    }

    /** Duty cycles in which a poller did work or a command ran. */
    public long busyCycles() {
        return (long) BUSY_CYCLES.getOpaque(this);
    }

    /** Nanoseconds spent in samples with work. */
    public long busyNanos() {
        return (long) BUSY_NANOS.getOpaque(this);
    }

    /** Nanoseconds spent in samples without work, and asleep; the present sleep counts when it ends. */
    public long idleNanos() {
        return (long) IDLE_NANOS.getOpaque(this);
    }

    /**
     * Nanoseconds of the longest {@value #CYCLES_PER_SAMPLE} cycles in a row: an upper bound of the longest single
     * cycle.
     */
    public long longestCycleNanos() {
        return (long) LONGEST_NANOS.getOpaque(this);
    }

    /** How often the reactor went to sleep, the present sleep included. */
    public long sleeps() {
        return (long) SLEEPS.getOpaque(this);
    }

    /** Commands run. */
    public long commands() {
        return (long) COMMANDS.getOpaque(this);
    }

    /** Pollers and commands that threw. */
    public long failures() {
        return (long) FAILURES.getOpaque(this);
    }

    void countCycle() {
        CYCLES.setOpaque(this, cycles + 1);
    }

    void countBusyCycle() {
        BUSY_CYCLES.setOpaque(this, busyCycles + 1);
    }

    void countCommand() {
        COMMANDS.setOpaque(this, commands + 1);
    }

    void countFailure() {
        FAILURES.setOpaque(this, failures + 1);
    }

    void sample(long spanNanos, boolean busy) {
        if (busy) {
            BUSY_NANOS.setOpaque(this, busyNanos + spanNanos);
        } else {
            IDLE_NANOS.setOpaque(this, idleNanos + spanNanos);
        }
        if (spanNanos > longestNanos) {
            LONGEST_NANOS.setOpaque(this, spanNanos);
        }
    }

    void countSleep() {
        SLEEPS.setOpaque(this, sleeps + 1);
    }

    void countSlept(long nanos) {
        IDLE_NANOS.setOpaque(this, idleNanos + nanos);
    }

    private static VarHandle handle(String field) {
        try {
            return MethodHandles.lookup().findVarHandle(Counters.class, field, long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }
}
