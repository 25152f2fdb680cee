package io.gatun.nvme;

/**
 * Completions taken from a queue in one poll, as parallel arrays; {@code [0, count)} are good until the next poll.
 *
 * <p>Fields are public because they are read for every command.
 *
 * <p><b>Thread-safety:</b> belongs to the queue's thread.
 */
public final class CompletionBurst {
    /** Identifier of each command; its owner gives it back with {@link IoQueue#release}. */
    public final int[] identifiers;

    /** Status of each command, see {@link NvmeStatus}. */
    public final int[] statuses;

    /** The first double word of each completion, whose meaning depends on the command. */
    public final int[] results;

    public int count;

    /** Whether the controller completed any of them with an error. */
    boolean hasErrors;

    /** Makes room for {@code capacity} completions. */
    public CompletionBurst(int capacity) {
        identifiers = new int[capacity];
        statuses = new int[capacity];
        results = new int[capacity];
    }

    int capacity() {
        return identifiers.length;
    }

    void add(int identifier, int status, int result) {
        int at = count;
        identifiers[at] = identifier;
        statuses[at] = status;
        results[at] = result;
        count = at + 1;
    }
}
