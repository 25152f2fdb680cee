package io.gatun.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A vhost-user-blk server in a process of its own, pinned to one core, for the length of one measurement. */
final class BlkServer implements AutoCloseable {
    private final ServerProcess process;

    private BlkServer(List<String> command, Path socket, Path log) throws IOException, InterruptedException {
        process = new ServerProcess(command, List.of(socket), log);
    }

    /** Gatun, one polling reactor on {@code core}; {@code bdev} is the option of the same name, called {@code b}. */
    static BlkServer gatun(Path program, int core, String bdev, Path folder) throws IOException, InterruptedException {
        Path socket = folder.resolve("gatun.sock");
        return new BlkServer(
                List.of(
                        program.toString(),
                        "serve",
                        "--cores",
                        Integer.toString(core),
                        "--rpc",
                        folder.resolve("rpc.sock").toString(),
                        "--bdev",
                        bdev,
                        "--vhost-blk",
                        socket + ",bdev=b"),
                socket,
                folder.resolve("gatun.log"));
    }

    /**
     * QEMU's storage daemon with an I/O thread, all of it on {@code core}; {@code blockdev} defines the node {@code b}.
     */
    static BlkServer storageDaemon(int core, String blockdev, Path folder) throws IOException, InterruptedException {
        Path socket = folder.resolve("qsd.sock");
        List<String> command = new ArrayList<>(List.of("taskset", "-c", Integer.toString(core), "qemu-storage-daemon"));
        command.addAll(List.of("--object", "iothread,id=io0", "--blockdev", blockdev));
        command.add("--export");
        command.add("type=vhost-user-blk,id=e,node-name=b,iothread=io0,writable=on,num-queues=1,"
                + "addr.type=unix,addr.path=" + socket);
        return new BlkServer(command, socket, folder.resolve("qsd.log"));
    }

    Path socket() {
        return process.sockets().getFirst();
    }

    @Override
    public void close() {
        process.close();
    }
}
