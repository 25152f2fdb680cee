package io.gatun.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * QEMU's own storage daemon: the server to compare with. It offers no packed ring and only listens.
 *
 * @param ioThread requests are served by a thread of their own
 * @param ioUring files are read and written through io_uring instead of a thread pool
 */
public record StorageDaemon(boolean ioThread, boolean ioUring) implements DiskProgram {
    /** As it comes. */
    public static final StorageDaemon PLAIN = new StorageDaemon(false, false);

    @Override
    public String name() {
        return "qemu-storage-daemon";
    }

    @Override
    public boolean supports(DiskSpec spec) {
        return spec.medium() == DiskSpec.Medium.FILE && !spec.packed() && !spec.serverConnects() && !spec.polling();
    }

    @Override
    public boolean offersWriteCache() {
        return false;
    }

    @Override
    public List<String> command(DiskSpec spec, Path image, Path socket) {
        String file = "driver=file,node-name=disk,discard=unmap,filename=" + image + (ioUring ? ",aio=io_uring" : "")
                + (spec.readOnly() ? ",read-only=on" : "");
        return command(file, socket, spec.queues(), !spec.readOnly());
    }

    /** The command that serves the null device, which completes requests without looking at them. */
    public List<String> nullDiskCommand(int sizeMegabytes, int queues, Path socket) {
        return command(
                "driver=null-co,node-name=disk,read-zeroes=off,size=" + sizeMegabytes + "M", socket, queues, true);
    }

    private List<String> command(String blockDevice, Path socket, int queues, boolean writable) {
        List<String> command = new ArrayList<>();
        command.addAll(List.of(Peer.STORAGE_DAEMON.path().toString(), "--blockdev", blockDevice));
        String export = "type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=" + socket
                + ",num-queues=" + queues + ",writable=" + (writable ? "on" : "off");
        if (ioThread) {
            command.addAll(List.of("--object", "iothread,id=io0"));
            export += ",iothread=io0";
        }
        command.addAll(List.of("--export", export));
        return command;
    }
}
