package io.gatun.nvme.software;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Entries;

/**
 * The controller's side of a queue pair. Both queues have the same number and are always used together.
 *
 * <p><b>Thread-safety:</b> the thread that rings its doorbells.
 */
final class SoftwareQueue {
    final int id;
    private final long submissions;
    private final int submissionEntries;
    private final long completions;
    private final int completionEntries;

    // The controller's half of shadow doorbells, or 0.
    private long tailEvent;
    private long headEvent;

    private int submissionHead;
    private int submissionTail;
    private int completionHead;
    private int completionTail;
    private int phase = 1;
    private boolean broken;

    SoftwareQueue(int id, long submissions, int submissionEntries, long completions, int completionEntries) {
        this.id = id;
        this.submissions = submissions;
        this.submissionEntries = submissionEntries;
        this.completions = completions;
        this.completionEntries = completionEntries;
    }

    long completions() {
        return completions;
    }

    int completionEntries() {
        return completionEntries;
    }

    void useShadow(long events, int stride) {
        tailEvent = events + 2L * id * stride;
        headEvent = tailEvent + stride;
    }

    /** The tail doorbell was written; false for a value that no tail can have. */
    boolean ringTail(int value) {
        broken |= value < 0 || value >= submissionEntries;
        if (!broken) {
            submissionTail = value;
            if (tailEvent != 0) {
                Memory.putInt(tailEvent, value);
            }
        }
        return !broken;
    }

    /** The head doorbell was written; false for a head that is not between the last one and what was completed. */
    boolean ringHead(int value) {
        int advance = value - completionHead + completionEntries & completionEntries - 1;
        int filled = completionTail - completionHead + completionEntries & completionEntries - 1;
        broken |= value < 0 || value >= completionEntries || advance > filled;
        if (!broken) {
            completionHead = value;
            if (headEvent != 0) {
                Memory.putInt(headEvent, value);
            }
        }
        return !broken;
    }

    /** The address of the next command, or 0. */
    long fetch() {
        if (broken || submissionHead == submissionTail) {
            return 0;
        }
        long entry = submissions + ((long) submissionHead << Entries.COMMAND_SHIFT);
        submissionHead = submissionHead + 1 == submissionEntries ? 0 : submissionHead + 1;
        return entry;
    }

    /** Whether a completion fits. */
    boolean hasRoom() {
        return (completionTail + 1 & completionEntries - 1) != completionHead;
    }

    void complete(int identifier, int status, int result) {
        if (!hasRoom()) {
            throw new IllegalStateException("the completion queue " + id + " overflows");
        }
        long entry = completions + ((long) completionTail << Entries.COMPLETION_SHIFT);
        Memory.putInt(entry + Entries.RESULT, result);
        Memory.putInt(entry + 4, 0);
        Memory.putInt(entry + Entries.SQ_HEAD, submissionHead | id << 16);
        Memory.releaseFence();
        Memory.putInt(entry + Entries.COMPLETED, (identifier & 0xffff) | phase << 16 | status << 17);
        completionTail = completionTail + 1 & completionEntries - 1;
        phase ^= completionTail == 0 ? 1 : 0;
    }
}
