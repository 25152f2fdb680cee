package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/** Looks at Unix sockets without connecting to them: a vhost-user server takes every connection for a front-end. */
public final class ListeningSockets {
    private static final Path TABLE = Path.of("/proc/net/unix");
    /** Flags (__SO_ACCEPTCON), type (stream) and state of a socket that listens. */
    private static final String LISTENING = " 00010000 0001 01 ";
    /** The same of one that is connected (SS_CONNECTED); the accepting end is the one that bears the path. */
    private static final String CONNECTED = " 00000000 0001 03 ";

    private static final long STEP_NANOS = 5_000_000;

    private ListeningSockets() {}

    /** Whether some process listens on a path. */
    public static boolean contains(Path socket) {
        return lines(socket).anyMatch(line -> line.contains(LISTENING));
    }

    /** Whether a connection on a path is established, whoever listened. */
    public static boolean connected(Path socket) {
        return lines(socket).anyMatch(line -> line.contains(CONNECTED));
    }

    /** Waits until a process listens on a path. @throws AssertionError if it dies or does not in time */
    public static void await(Path socket, PeerProcess server, Duration timeout) {
        await(() -> contains(socket), "listening on " + socket, server, timeout);
    }

    /** Waits until both ends are connected. @throws AssertionError if the server dies or they are not in time */
    public static void awaitConnection(Path socket, PeerProcess server, Duration timeout) {
        await(() -> connected(socket), "connected on " + socket, server, timeout);
    }

    private static void await(BooleanSupplier done, String what, PeerProcess server, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!done.getAsBoolean()) {
            if (!server.isAlive() || System.nanoTime() > deadline) {
                String state = server.isAlive() ? " is not " : " died before it was ";
                throw new AssertionError(server.name() + state + what + "\n" + server.tail());
            }
            LockSupport.parkNanos(STEP_NANOS);
        }
    }

    private static Stream<String> lines(Path socket) {
        try {
            return Files.readAllLines(TABLE).stream().filter(line -> line.endsWith(" " + socket));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
