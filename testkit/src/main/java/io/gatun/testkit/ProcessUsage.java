package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a process holds and has used, from {@code /proc/PID}.
 *
 * @param cpuTime user and system time so far, in steps of 10 ms
 * @param runnableTime time that the threads alive now ran or were ready to run but had to wait for a core
 * @param fileDescriptors open file descriptors
 * @param mappings lines of {@code maps}
 * @param sharedMemoryMappings those of them that map a memfd: the memory of guests
 * @param threads threads
 */
public record ProcessUsage(
        Duration cpuTime,
        Duration runnableTime,
        int fileDescriptors,
        int mappings,
        int sharedMemoryMappings,
        int threads) {
    /** The unit of times in {@code stat} as Linux shows them to every program (USER_HZ). */
    private static final int TICKS_PER_SECOND = 100;

    static ProcessUsage of(long pid) {
        Path folder = Path.of("/proc", Long.toString(pid));
        try {
            String stat = Files.readString(folder.resolve("stat"));
            // proc(5): the name in parentheses may hold anything; after it comes field 3.
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            long ticks = Long.parseLong(fields[14 - 3]) + Long.parseLong(fields[15 - 3]);
            return new ProcessUsage(
                    Duration.ofMillis(ticks * 1000 / TICKS_PER_SECOND),
                    runnableTime(folder.resolve("task")),
                    count(folder.resolve("fd")),
                    countLines(folder.resolve("maps"), ""),
                    countLines(folder.resolve("maps"), "/memfd:"),
                    Integer.parseInt(fields[20 - 3]));
        } catch (IOException e) {
            throw new UncheckedIOException("process " + pid + " is gone", e);
        }
    }

    /** The share of one core that was used since an earlier look, in percent. */
    public double cpuPercentSince(ProcessUsage earlier, Duration elapsed) {
        return 100.0 * cpuTime.minus(earlier.cpuTime).toNanos() / elapsed.toNanos();
    }

    /** As {@link #cpuPercentSince}, with the time that threads were kept waiting for a core on a busy machine. */
    public double runnablePercentSince(ProcessUsage earlier, Duration elapsed) {
        return 100.0 * runnableTime.minus(earlier.runnableTime).toNanos() / elapsed.toNanos();
    }

    private static Duration runnableTime(Path tasks) throws IOException {
        List<Path> folders;
        try (Stream<Path> entries = Files.list(tasks)) {
            folders = entries.toList();
        }
        long nanos = 0;
        for (Path folder : folders) {
            nanos += runnableNanos(folder.resolve("schedstat"));
        }
        return Duration.ofNanos(nanos);
    }

    private static long runnableNanos(Path schedstat) throws IOException {
        try {
            // Time on a core, time waiting for one, time slices.
            String[] fields = Files.readString(schedstat).split(" ", -1);
            return Long.parseLong(fields[0]) + Long.parseLong(fields[1]);
        } catch (NoSuchFileException e) {
            return 0; // the thread has ended meanwhile
        }
    }

    private static int count(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return (int) entries.count();
        }
    }

    private static int countLines(Path file, String part) throws IOException {
        try (Stream<String> lines = Files.lines(file)) {
            return (int) lines.filter(line -> line.contains(part)).count();
        }
    }
}
