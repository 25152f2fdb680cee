package io.gatun.testkit;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * The host's files as a guest sees them: virtiofsd shares the root, the guest mounts it read-only. A guest can so
 * run the host's JDK on the classes that were just built, and no image has to be made. Needs root.
 */
final class HostFiles implements AutoCloseable {
    /** The drivers that a guest needs for it. */
    static final List<String> MODULES = List.of("virtio_pci", "virtiofs");

    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final Path socket;
    private final PeerProcess process;

    private HostFiles(Path socket, PeerProcess process) {
        this.socket = socket;
        this.process = process;
    }

    /** Starts the server; it ends with its guest. */
    static HostFiles share(Lab.Workspace workspace, Duration lifetime) {
        Path socket = workspace.path("files.sock");
        List<String> command = List.of(
                Peer.VIRTIOFSD.path().toString(),
                "--socket-path=" + socket,
                "-o", "source=/",
                "-o", "sandbox=chroot",
                // Nobody changes what the guest reads while it runs.
                "-o", "cache=always");
        PeerProcess process = PeerProcess.start("virtiofsd", command, Map.of(), workspace.folder(), lifetime);
        try {
            ListeningSockets.await(socket, process, PATIENCE);
            return new HostFiles(socket, process);
        } catch (AssertionError e) {
            process.close();
            throw e;
        }
    }

    /** QEMU's arguments. */
    List<String> arguments() {
        return List.of(
                "-chardev", "socket,id=files,path=" + socket,
                "-device", "vhost-user-fs-pci,chardev=files,tag=host,queue-size=1024");
    }

    @Override
    public void close() {
        process.close();
    }
}
