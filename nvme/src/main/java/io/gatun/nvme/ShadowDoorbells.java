package io.gatun.nvme;

import io.gatun.linux.Memory;

/**
 * Doorbells in memory (Doorbell Buffer Config, Base §5.8 and annex B.5): of one queue pair. The controller looks at the
 * values by itself while it is busy, and says in the event index from which value on it wants a register write.
 *
 * <p><b>Thread-safety:</b> belongs to the queue's thread.
 */
final class ShadowDoorbells {
    private final long tail;
    private final long head;
    private final long tailEvent;
    private final long headEvent;

    /**
     * Zeroes the doorbells, as those of a new queue are: what a queue of the same number left there before would keep
     * the first commands from the controller.
     *
     * @param values address of the page with the doorbells' values, laid out as the registers are
     * @param events address of the page with the event indices, in the same layout
     */
    ShadowDoorbells(long values, long events, int queue, int doorbellStride) {
        long tailAt = 2L * queue * doorbellStride;
        long headAt = tailAt + doorbellStride;
        tail = values + tailAt;
        head = values + headAt;
        tailEvent = events + tailAt;
        headEvent = events + headAt;
        Memory.putInt(tail, 0);
        Memory.putInt(head, 0);
        Memory.putInt(tailEvent, 0);
        Memory.putInt(headEvent, 0);
    }

    boolean tailNeedsRegister(int before, int now) {
        return needsRegister(tail, tailEvent, before, now);
    }

    boolean headNeedsRegister(int before, int now) {
        return needsRegister(head, headEvent, before, now);
    }

    private static boolean needsRegister(long value, long event, int before, int now) {
        // The commands first, then the value that announces them; then the value before the look at the event index,
        // which the controller writes before its own last look at the value.
        Memory.releaseFence();
        Memory.putInt(value, now);
        Memory.fullFence();
        int wanted = Memory.getInt(event);
        return (now - wanted - 1 & 0xffff) < (now - before & 0xffff);
    }
}
