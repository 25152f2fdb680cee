package io.gatun.nvme;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What a controller has completed with an error: counted by namespace and status, and the last {@value #ENTRIES} of
 * them one by one. This process notes them itself, since not every controller keeps the logs that it should. Commands
 * that were aborted or lost to a reset at our wish are not errors, nor are refusals that the driver reckons with.
 *
 * <p>It does not grow. An error is only counted where its slot is still being written, by a thread that as many later
 * ones have overtaken as there are slots; one of a new kind after {@value #KINDS} kinds counts in the totals alone.
 *
 * <p><b>Thread-safety:</b> any thread. Owners of queues and senders of admin commands write: they neither allocate, nor
 * wait for each other or for readers. What is read is a moment old, and leaves out an entry that is just being written.
 */
public final class HostErrorLog {
    /** How many errors are kept one by one. */
    static final int ENTRIES = 32;

    /** How many pairs of namespace and status are told apart; a power of two. */
    static final int KINDS = 1024;

    // A slot's words: the entry's number, 0 for none yet, BUSY while it is written; and what was noted.
    private static final int TIME = 1;
    private static final int COMMAND = 2; // queue (16 bits from 0 on), identifier (16), status (16), opcode (8)
    private static final int NAMESPACE = 3;
    private static final int LBA = 4;
    private static final int BLOCKS = 5;
    private static final int WORDS = 6;
    private static final long BUSY = -1;

    private final AtomicLongArray slots = new AtomicLongArray(ENTRIES * WORDS);

    /** A hash table that only fills: namespace (upper half) and status, never 0 once it is used. */
    private final AtomicLongArray kinds = new AtomicLongArray(KINDS);

    private final AtomicLongArray counts = new AtomicLongArray(KINDS);
    private final AtomicLong errors = new AtomicLong();
    private final AtomicLong mediaErrors = new AtomicLong();

    HostErrorLog() {}

    /**
     * How often a status was seen.
     *
     * @param namespaceId of the I/O commands; 0 for admin commands, whatever namespace they were for
     * @param status type and code, see {@link NvmeStatus#code}
     */
    public record Count(int namespaceId, int status, long commands) {}

    /** How many commands were completed with an error. */
    public long errorCount() {
        return errors.get();
    }

    /** How many of them for their media, see {@link NvmeStatus#isMediaError}. */
    public long mediaErrorCount() {
        return mediaErrors.get();
    }

    /** Every pair of namespace and status that there was, in the order of both. */
    public List<Count> counts() {
        List<Count> all = new ArrayList<>();
        for (int i = 0; i < KINDS; i++) {
            long kind = kinds.get(i);
            if (kind != 0) {
                all.add(new Count((int) (kind >>> 32), (int) kind, counts.get(i)));
            }
        }
        all.sort(Comparator.comparingLong((Count c) -> Integer.toUnsignedLong(c.namespaceId))
                .thenComparingInt(Count::status));
        return all;
    }

    /** The last errors, newest first. */
    public List<HostError> entries() {
        List<HostError> entries = new ArrayList<>();
        for (int i = 0; i < ENTRIES; i++) {
            HostError entry = read(i * WORDS);
            if (entry != null) {
                entries.add(entry);
            }
        }
        entries.sort(Comparator.comparingLong(HostError::number).reversed());
        return entries;
    }

    private HostError read(int at) {
        long number = slots.get(at);
        long command = slots.get(at + COMMAND);
        HostError entry = new HostError(
                number,
                Instant.ofEpochMilli(slots.get(at + TIME)),
                (int) command & 0xffff,
                (int) (command >>> 16) & 0xffff,
                (int) (command >>> 48),
                (int) (command >>> 32) & 0xffff,
                (int) slots.get(at + NAMESPACE),
                slots.get(at + LBA),
                slots.get(at + BLOCKS));
        // Whoever has seen a word of another entry sees that the slot was taken for it, too.
        return number > 0 && slots.get(at) == number ? entry : null;
    }

    /** Notes a command that was completed with {@code status}; {@code queue} is 0 for an admin command. */
    void note(int queue, int identifier, int opcode, int status, int namespace, long lba, long blocks) {
        int code = NvmeStatus.code(status);
        count((long) (queue == 0 ? 0 : namespace) << 32 | code);
        if (NvmeStatus.isMediaError(code)) {
            long ignored = mediaErrors.incrementAndGet();
        }
        long number = errors.incrementAndGet();
        int at = (int) (number % ENTRIES) * WORDS;
        long before = slots.get(at);
        if (before == BUSY || before > number || !slots.compareAndSet(at, before, BUSY)) {
            return;
        }
        slots.setRelease(at + TIME, System.currentTimeMillis());
        slots.setRelease(
                at + COMMAND, queue | (long) identifier << 16 | (long) status << 32 | (long) opcode << 48);
        slots.setRelease(at + NAMESPACE, namespace);
        slots.setRelease(at + LBA, lba);
        slots.setRelease(at + BLOCKS, blocks);
        slots.setRelease(at, number);
    }

    private void count(long kind) {
        int first = Long.hashCode(kind * 0x9e37_79b9_7f4a_7c15L);
        for (int i = 0; i < KINDS; i++) {
            int at = first + i & KINDS - 1;
            long there = kinds.get(at);
            if (there == 0) {
                there = kinds.compareAndExchange(at, 0, kind);
            }
            if (there == 0 || there == kind) {
                long ignored = counts.incrementAndGet(at);
                return;
            }
        }
    }
}
