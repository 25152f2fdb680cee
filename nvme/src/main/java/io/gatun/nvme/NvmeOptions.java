package io.gatun.nvme;

import java.time.Duration;

/**
 * How a controller is driven.
 *
 * @param queueDepth commands in flight at most on one I/O queue pair, 1 to 1024; less where the controller has smaller
 *     queues
 * @param ioQueues I/O queue pairs asked of the controller, 1 to 65535; it may grant fewer
 * @param ioTimeout how long a command may take: then it is aborted, and after as long again the controller is reset
 * @param adminTimeout how long an admin command may take before the controller is reset; Format has its own
 * @param failAfter how long I/O waits for a controller that does not come back from a reset, before it fails
 * @param tick how often the controller is looked after; time-outs are this coarse
 * @param shadowDoorbells whether doorbells go through memory where the controller can do that
 * @param sgl whether memory that PRP entries cannot name is described by SGLs where the controller can do that
 */
public record NvmeOptions(
        int queueDepth,
        int ioQueues,
        Duration ioTimeout,
        Duration adminTimeout,
        Duration failAfter,
        Duration tick,
        boolean shadowDoorbells,
        boolean sgl) {
    /** 128 commands on each of up to 32 queue pairs, 30 seconds each, everything that the controller offers. */
    public static final NvmeOptions DEFAULTS = new NvmeOptions(
            128,
            32,
            Duration.ofSeconds(30),
            Duration.ofSeconds(60),
            Duration.ofSeconds(30),
            Duration.ofMillis(100),
            true,
            true);

    private static final int MAX_DEPTH = 1024;

    /** Checks the ranges. */
    public NvmeOptions {
        requireRange("queue depth", queueDepth, MAX_DEPTH);
        requireRange("number of I/O queue pairs", ioQueues, 0xffff);
        requirePositive("I/O time-out", ioTimeout);
        requirePositive("admin time-out", adminTimeout);
        requirePositive("tick", tick);
        if (failAfter.isNegative()) {
            throw new IllegalArgumentException("the time until I/O fails cannot be " + failAfter);
        }
    }

    private static void requireRange(String what, int value, int most) {
        if (value < 1 || value > most) {
            throw new IllegalArgumentException("the " + what + " is 1 to " + most + ", not " + value);
        }
    }

    private static void requirePositive(String what, Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException("the " + what + " must be positive, not " + value);
        }
    }

    public NvmeOptions withQueueDepth(int depth) {
        return new NvmeOptions(
                depth, ioQueues, ioTimeout, adminTimeout, failAfter, tick, shadowDoorbells, sgl);
    }

    public NvmeOptions withIoQueues(int count) {
        return new NvmeOptions(
                queueDepth, count, ioTimeout, adminTimeout, failAfter, tick, shadowDoorbells, sgl);
    }

    /** Sets both time-outs of commands. */
    public NvmeOptions withTimeouts(Duration io, Duration admin) {
        return new NvmeOptions(queueDepth, ioQueues, io, admin, failAfter, tick, shadowDoorbells, sgl);
    }

    public NvmeOptions withFailAfter(Duration time) {
        return new NvmeOptions(queueDepth, ioQueues, ioTimeout, adminTimeout, time, tick, shadowDoorbells, sgl);
    }

    public NvmeOptions withTick(Duration time) {
        return new NvmeOptions(queueDepth, ioQueues, ioTimeout, adminTimeout, failAfter, time, shadowDoorbells, sgl);
    }

    public NvmeOptions withShadowDoorbells(boolean use) {
        return new NvmeOptions(queueDepth, ioQueues, ioTimeout, adminTimeout, failAfter, tick, use, sgl);
    }

    public NvmeOptions withSgl(boolean use) {
        return new NvmeOptions(
                queueDepth, ioQueues, ioTimeout, adminTimeout, failAfter, tick, shadowDoorbells, use);
    }
}
