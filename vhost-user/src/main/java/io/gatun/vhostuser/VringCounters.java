package io.gatun.vhostuser;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What one ring has done since its device was created; survives reconnections.
 *
 * <p><b>Thread-safety:</b> written by the thread that owns the ring, with plain arithmetic and opaque stores; read by
 * any thread, which sees each counter as it was a moment ago.
 */
public final class VringCounters {
    private static final VarHandle CHAINS = handle("chains");
    private static final VarHandle PUBLISHES = handle("publishes");
    private static final VarHandle KICKS = handle("kicks");
    private static final VarHandle CALLS = handle("calls");
    private static final VarHandle STARTS = handle("starts");
    private static final VarHandle BROKEN = handle("broken");

    private long chains;
    private long publishes;
    private long kicks;
    private long calls;
    private long starts;
    private long broken;

    /** All zero. */
    public VringCounters() {}

    /** Chains put back used: what {@link Vring#publish(int)} was told. */
    public long chains() {
        return (long) CHAINS.getOpaque(this);
    }

    /** Times that used entries were made visible to the driver. */
    public long publishes() {
        return (long) PUBLISHES.getOpaque(this);
    }

    /** Times that a kick woke the owner or was found by it on waking. */
    public long kicks() {
        return (long) KICKS.getOpaque(this);
    }

    /** Times that the driver was called. */
    public long calls() {
        return (long) CALLS.getOpaque(this);
    }

    /** Times that the ring was started. */
    public long starts() {
        return (long) STARTS.getOpaque(this);
    }

    /** Times that the ring broke: the driver violated the specification, its memory vanished, or its handler threw. */
    public long broken() {
        return (long) BROKEN.getOpaque(this);
    }

    void published(int count) {
        CHAINS.setOpaque(this, chains + count);
        PUBLISHES.setOpaque(this, publishes + 1);
    }

    void kicked() {
        KICKS.setOpaque(this, kicks + 1);
    }

    void called() {
        CALLS.setOpaque(this, calls + 1);
    }

    void started() {
        STARTS.setOpaque(this, starts + 1);
    }

    void broke() {
        BROKEN.setOpaque(this, broken + 1);
    }

    private static VarHandle handle(String field) {
        try {
            return MethodHandles.lookup().findVarHandle(VringCounters.class, field, long.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }
}
