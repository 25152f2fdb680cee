package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Entries;
import io.gatun.nvme.spec.Registers;

/**
 * A submission queue and its completion queue (Base §3.3.1): rings, command identifiers, doorbells.
 *
 * <p>Both rings have the same number of entries, a power of two that is larger than the number of identifiers. So a
 * slot of the submission queue is free whenever an identifier is, and what the controller says of its head need not be
 * believed. The head of the completion queue is reported late, many entries at once: as long as all commands in flight
 * find room, the controller need not know.
 *
 * <p>The controller is not trusted: a completion counts only for a command that is in flight, and one poll looks at
 * each entry once.
 *
 * <p><b>Thread-safety:</b> one thread at a time; {@link #inFlight} may be read by any.
 */
final class QueuePair {
    /** No identifier is free. */
    static final int NONE = -1;

    final int id;
    final int depth;

    private final NvmeTransport transport;
    private final long submissions;
    private final long completions;
    private final int mask;
    private final int tailDoorbell;
    private final int headDoorbell;

    /** How many entries may be taken from the completion queue before the controller is told. */
    private final int reportAt;

    /** A stack of identifiers. */
    private final int[] free;

    private int freeCount;

    // By identifier.
    private final boolean[] sent;
    private final int[] sentAtTick;

    private int tail;
    private int rungTail;
    private int head;
    private int phase = 1;
    private int unreported;
    private long strays;
    private ShadowDoorbells shadow;

    /**
     * @param submissions address of the submission queue, contiguous for the controller, zeroed
     * @param completions address of the completion queue, contiguous for the controller, zeroed
     * @param entries of each, a power of two
     * @param depth commands in flight at most, less than {@code entries}
     */
    QueuePair(
            NvmeTransport transport,
            int id,
            long submissions,
            long completions,
            int entries,
            int depth,
            int doorbellStride) {
        assert Integer.bitCount(entries) == 1 && depth < entries : entries + " entries, depth " + depth;
        this.transport = transport;
        this.id = id;
        this.submissions = submissions;
        this.completions = completions;
        this.depth = depth;
        mask = entries - 1;
        tailDoorbell = Registers.tailDoorbell(id, doorbellStride);
        headDoorbell = Registers.headDoorbell(id, doorbellStride);
        reportAt = Math.max(1, Math.min(entries / 4, mask - depth));
        free = new int[depth];
        sent = new boolean[depth];
        sentAtTick = new int[depth];
        freeCount = depth;
        for (int i = 0; i < depth; i++) {
            free[i] = depth - 1 - i;
        }
    }

    int entries() {
        return mask + 1;
    }

    /** Doorbells go through memory from now on (Base §5.8); null for registers alone. */
    void useShadow(ShadowDoorbells doorbells) {
        shadow = doorbells;
    }

    /** Takes an identifier, or {@link #NONE}. */
    int take() {
        int left = freeCount;
        if (left == 0) {
            return NONE;
        }
        freeCount = left - 1;
        return free[left - 1];
    }

    /** Gives an identifier back whose command has completed, or was never sent. */
    void release(int identifier) {
        assert !sent[identifier] : "command " + identifier + " is in flight";
        free[freeCount] = identifier;
        freeCount++;
    }

    /**
     * Writes a command into the ring; {@link #ring} sends it.
     *
     * @param operation opcode and flags, the lower half of the first double word
     * @param cdw10 CDW10 and CDW11
     * @param cdw12 CDW12 and CDW13
     */
    void submit(int identifier, int operation, int namespace, long prp1, long prp2, long cdw10, long cdw12, int tick) {
        int at = tail;
        long entry = Memory.base(submissions) + ((long) at << Entries.COMMAND_SHIFT);
        Memory.putLong(entry, ((operation | (long) identifier << 16) & 0xffff_ffffL) | ((long) namespace << 32));
        Memory.putLong(entry + 8, 0);
        Memory.putLong(entry + 16, 0);
        Memory.putLong(entry + Entries.PRP1, prp1);
        Memory.putLong(entry + Entries.PRP2, prp2);
        Memory.putLong(entry + Entries.CDW10, cdw10);
        Memory.putLong(entry + Entries.CDW12, cdw12);
        Memory.putLong(entry + 56, 0);
        tail = at + 1 & mask;
        sent[identifier] = true;
        sentAtTick[identifier] = tick;
    }

    /** Tells the controller of all commands written since the last call: one doorbell, or none. */
    void ring() {
        int at = tail;
        if (at != rungTail) {
            if (shadow == null || shadow.tailNeedsRegister(rungTail, at)) {
                transport.writeInt(tailDoorbell, at);
            }
            rungTail = at;
        }
    }

    /** Takes completions until there are no more or {@code burst} is full; returns how many it has now. */
    int poll(CompletionBurst burst) {
        burst.count = 0;
        int most = Math.min(burst.capacity(), mask);
        long base = Memory.base(completions);
        int at = head;
        int expected = phase;
        int taken = 0;
        int statuses = 0;
        while (taken < most) {
            long entry = base + ((long) at << Entries.COMPLETION_SHIFT);
            // Pairs with the controller's write of the phase bit, which comes last (Base §3.3.3.2).
            int completed = Memory.loadAcquireInt(entry + Entries.COMPLETED);
            if ((completed >>> 16 & 1) != expected) {
                break;
            }
            taken++;
            at = at + 1 & mask;
            expected ^= at == 0 ? 1 : 0;
            int identifier = completed & 0xffff;
            if (identifier < depth && sent[identifier]) {
                sent[identifier] = false;
                burst.add(identifier, completed >>> 17, Memory.getInt(entry + Entries.RESULT));
                statuses |= completed >>> 17;
            } else {
                strays++;
            }
        }
        burst.hasErrors = NvmeStatus.code(statuses) != NvmeStatus.SUCCESS;
        if (taken != 0) {
            head = at;
            phase = expected;
            unreported += taken;
        }
        return burst.count;
    }

    /** Whether {@link #poll} would find something. */
    boolean hasCompletion() {
        long entry = completions + ((long) head << Entries.COMPLETION_SHIFT);
        return (Memory.loadAcquireInt(entry + Entries.COMPLETED) >>> 16 & 1) == phase;
    }

    /** Tells the controller how far the completion queue was read, if it is time. */
    void reportIfDue() {
        if (unreported >= reportAt) {
            report();
        }
    }

    /** Tells the controller how far the completion queue was read. */
    void report() {
        if (unreported != 0) {
            int before = head - unreported & mask;
            unreported = 0;
            if (shadow == null || shadow.headNeedsRegister(before, head)) {
                transport.writeInt(headDoorbell, head);
            }
        }
    }

    /** Takes commands in flight as aborted, when the controller is disabled; fills {@code burst} as a poll does. */
    int abort(CompletionBurst burst) {
        burst.count = 0;
        for (int i = 0; i < depth && burst.count < burst.capacity(); i++) {
            if (sent[i]) {
                sent[i] = false;
                burst.add(i, NvmeStatus.ABORTED_BY_HOST, 0);
            }
        }
        return burst.count;
    }

    /** Empties both rings, as a controller finds them that was reset; nothing is in flight. */
    void restart() {
        Memory.fill(completions, (long) entries() << Entries.COMPLETION_SHIFT, (byte) 0);
        tail = 0;
        rungTail = 0;
        head = 0;
        phase = 1;
        unreported = 0;
        shadow = null;
    }

    /** An identifier whose command was sent more than {@code ticks} ago, from {@code from} on; or {@link #NONE}. */
    int findOlder(int from, int now, int ticks) {
        for (int i = from; i < depth; i++) {
            if (sent[i] && now - sentAtTick[i] > ticks) {
                return i;
            }
        }
        return NONE;
    }

    /** When the command of an identifier was sent. */
    int sentAtTick(int identifier) {
        return sentAtTick[identifier];
    }

    boolean isSent(int identifier) {
        return sent[identifier];
    }

    /** Identifiers taken. */
    int inFlight() {
        return depth - freeCount;
    }

    /** Completions of commands that were not in flight. */
    long strays() {
        return strays;
    }
}
