package io.gatun.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/**
 * The lines that a process or a guest has printed so far, each with the time it came.
 *
 * <p><b>Thread-safety:</b> one thread appends, any thread reads and waits.
 */
public final class LineLog {
    /** A line, its place in the log and when it came ({@link System#nanoTime}). */
    public record Line(int index, long timeNanos, String text) {}

    private final List<Line> lines = new ArrayList<>();
    private boolean ended;

    LineLog() {}

    synchronized void append(String text) {
        lines.add(new Line(lines.size(), System.nanoTime(), text));
        notifyAll();
    }

    /** Says that no line will follow. */
    synchronized void end() {
        ended = true;
        notifyAll();
    }

    public synchronized int size() {
        return lines.size();
    }

    /** The lines from an index on. */
    public synchronized List<Line> from(int index) {
        return List.copyOf(lines.subList(Math.min(index, lines.size()), lines.size()));
    }

    /**
     * Waits for the first line at or after an index that meets a condition.
     *
     * @throws AssertionError with the last lines, if none comes in time or the source ends before
     */
    public synchronized Line await(String what, int from, Predicate<String> condition, Duration timeout) {
        Search search = new Search(from, condition);
        awaitUntil(() -> search.advance() || ended, what, timeout);
        if (search.found == null) {
            throw new AssertionError("the output ended before " + what + "; the last lines:\n" + tail(40));
        }
        return search.found;
    }

    /** Waits until the source has ended, so that {@link #from} gives all there is. */
    synchronized void awaitEnd(Duration timeout) {
        awaitUntil(() -> ended, "the end of the output", timeout);
    }

    private synchronized void awaitUntil(BooleanSupplier done, String what, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!done.getAsBoolean()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                throw new AssertionError("waited " + timeout + " for " + what + "; the last lines:\n" + tail(40));
            }
            try {
                wait(Math.max(1, left / 1_000_000));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError("interrupted while waiting for " + what, e);
            }
        }
    }

    /** Looks at each line once. */
    private final class Search {
        private final Predicate<String> condition;
        private int next;
        private Line found;

        private Search(int from, Predicate<String> condition) {
            this.next = from;
            this.condition = condition;
        }

        private boolean advance() {
            while (found == null && next < lines.size()) {
                Line line = lines.get(next++);
                found = condition.test(line.text()) ? line : null;
            }
            return found != null;
        }
    }

    /** The last lines as one text. */
    public synchronized String tail(int count) {
        StringBuilder text = new StringBuilder();
        lines.subList(Math.max(0, lines.size() - count), lines.size())
                .forEach(line -> text.append("  | ").append(line.text()).append('\n'));
        return text.toString();
    }
}
