package io.gatun.testkit;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * One disk served by one process, with what a test does to it: kill it, start it again, look at what it uses. Owns the
 * process, its socket and its image.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
public final class DiskServer implements AutoCloseable {
    /** A program may have to be built on its first start. */
    private static final Duration START_TIMEOUT = Duration.ofSeconds(60);

    private final DiskProgram program;
    private final DiskSpec spec;
    private final Lab.Workspace workspace = Lab.workspace();
    private PeerProcess process;

    private DiskServer(DiskProgram program, DiskSpec spec) {
        this.program = program;
        this.spec = spec;
    }

    /** Makes the disk and starts its server; returns when the server listens, if it is one that listens. */
    public static DiskServer start(DiskProgram program, DiskSpec spec) {
        DiskServer server = prepare(program, spec);
        try {
            server.start();
            return server;
        } catch (AssertionError | RuntimeException e) {
            server.close();
            throw e;
        }
    }

    /** Makes the disk's image, so that a test can put something on it; {@link #start()} follows. */
    public static DiskServer prepare(DiskProgram program, DiskSpec spec) {
        DiskServer server = new DiskServer(program, spec);
        if (spec.medium() == DiskSpec.Medium.FILE) {
            try (RandomAccessFile file = new RandomAccessFile(server.image().toFile(), "rw")) {
                file.setLength((long) spec.sizeMegabytes() << 20);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return server;
    }

    /** Starts the process, for the first time or again. */
    public void start() {
        process = PeerProcess.start(
                program.name(),
                program.command(spec, image(), socket()),
                Map.of(),
                workspace.folder(),
                PeerProcess.DEFAULT_LIFETIME);
        if (!spec.serverConnects()) {
            ListeningSockets.await(socket(), process, START_TIMEOUT);
        }
    }

    /** Ends the process without warning (SIGKILL) and waits until it is gone. */
    public void kill() {
        process.kill();
    }

    public DiskSpec spec() {
        return spec;
    }

    public PeerProcess process() {
        return process;
    }

    public Path socket() {
        return workspace.path("disk.sock");
    }

    /** The file behind a {@link DiskSpec.Medium#FILE} disk. */
    public Path image() {
        return workspace.path("disk.img");
    }

    /** The disk as a guest is given it. */
    public GuestDisk guestDisk() {
        GuestDisk disk = GuestDisk.at(socket()).withQueues(spec.queues()).withPacked(spec.packed());
        return spec.serverConnects() ? disk.withQemuListening() : disk;
    }

    @Override
    public void close() {
        if (process != null) {
            process.close();
        }
        workspace.close();
    }

    @Override
    public String toString() {
        return program.name() + " (" + spec + ")";
    }
}
