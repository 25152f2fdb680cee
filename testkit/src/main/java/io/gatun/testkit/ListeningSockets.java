package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** Looks at Unix sockets without connecting to them: a vhost-user server takes every connection for a front-end. */
public final class ListeningSockets {
    private static final Path TABLE = Path.of("/proc/net/unix");
    /** The flag of a listening socket in column "Flags" (__SO_ACCEPTCON). */
    private static final String LISTENING = "00010000";

    private static final long STEP_NANOS = 5_000_000;

    private ListeningSockets() {}

    /** Whether some process listens on a path. */
    public static boolean contains(Path socket) {
        try {
            return Files.readAllLines(TABLE).stream()
                    .anyMatch(line -> line.endsWith(" " + socket) && line.contains(" " + LISTENING + " "));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until a process listens on a path. @throws AssertionError if it dies or does not in time */
    public static void await(Path socket, PeerProcess server, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!contains(socket)) {
            if (!server.isAlive() || System.nanoTime() > deadline) {
                String state = server.isAlive() ? " is not" : " died before";
                throw new AssertionError(server.name() + state + " listening on " + socket + "\n" + server.tail());
            }
            LockSupport.parkNanos(STEP_NANOS);
        }
    }
}
