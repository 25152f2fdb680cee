package io.gatun.bdev.virtio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What one queue of a disk has done since its device was made; survives reconnections.
 *
 * <p><b>Thread-safety:</b> written by the thread that owns the queue; read by any thread, which sees each counter as it
 * was a moment ago.
 */
public final class BlkCounters {
    private static final VarHandle READS = handle("reads");
    private static final VarHandle READ_BYTES = handle("readBytes");
    private static final VarHandle WRITES = handle("writes");
    private static final VarHandle WRITE_BYTES = handle("writeBytes");
    private static final VarHandle FLUSHES = handle("flushes");
    private static final VarHandle DISCARDS = handle("discards");
    private static final VarHandle WRITE_ZEROES = handle("writeZeroes");
    private static final VarHandle ERRORS = handle("errors");
    private static final VarHandle REFUSED = handle("refused");

    private long reads;
    private long readBytes;
    private long writes;
    private long writeBytes;
    private long flushes;
    private long discards;
    private long writeZeroes;
    private long errors;
    private long refused;

    BlkCounters() {}

    /** Read requests that completed well. */
    public long reads() {
        return (long) READS.getOpaque(this);
    }

    public long readBytes() {
        return (long) READ_BYTES.getOpaque(this);
    }

    /** Write requests that completed well. */
    public long writes() {
        return (long) WRITES.getOpaque(this);
    }

    public long writeBytes() {
        return (long) WRITE_BYTES.getOpaque(this);
    }

    /** Flush requests that completed well. */
    public long flushes() {
        return (long) FLUSHES.getOpaque(this);
    }

    /** Discard requests that completed well. */
    public long discards() {
        return (long) DISCARDS.getOpaque(this);
    }

    /** Write-zeroes requests that completed well. */
    public long writeZeroes() {
        return (long) WRITE_ZEROES.getOpaque(this);
    }

    /** Requests that the block device failed. */
    public long errors() {
        return (long) ERRORS.getOpaque(this);
    }

    /** Requests that were refused before they reached the block device: malformed, out of range, unsupported. */
    public long refused() {
        return (long) REFUSED.getOpaque(this);
    }

    void read(long bytes) {
        READS.setOpaque(this, reads + 1);
        READ_BYTES.setOpaque(this, readBytes + bytes);
    }

    void wrote(long bytes) {
        WRITES.setOpaque(this, writes + 1);
        WRITE_BYTES.setOpaque(this, writeBytes + bytes);
    }

    void flushed() {
        FLUSHES.setOpaque(this, flushes + 1);
    }

    void discarded() {
        DISCARDS.setOpaque(this, discards + 1);
    }

    void wroteZeroes() {
        WRITE_ZEROES.setOpaque(this, writeZeroes + 1);
    }

    void failed() {
        ERRORS.setOpaque(this, errors + 1);
    }

    void refusedOne() {
        REFUSED.setOpaque(this, refused + 1);
    }

    private static VarHandle handle(String field) {
        try {
            return MethodHandles.lookup().findVarHandle(BlkCounters.class, field, long.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }
}
