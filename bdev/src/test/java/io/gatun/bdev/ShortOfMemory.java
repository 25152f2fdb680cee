package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Opens a file's channel while there is less and less in the way of its mappings, from no room at all to enough: a
 * process of its own, for a JVM does not live long in so little.
 *
 * <p>Arguments: the file, and whether by io_uring. Says what failures left behind at most.
 */
final class ShortOfMemory {
    /** Less than the channel's own mapping, so that it fails more than once. */
    private static final int STEP_BYTES = 128 << 10;

    private static final int ROOM_BYTES = 256 << 20;

    private ShortOfMemory() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        FileOptions options = FileOptions.of("d0", Path.of(arguments[0]));
        boolean ring = Boolean.parseBoolean(arguments[1]);
        try (FileBdev disk = ring ? FileBdev.openWithRing(options) : FileBdev.openBlocking(options)) {
            // What the JVM loads for these it must not have to load in need.
            disk.openChannel(null).close();
            fill(1L << 50, new ArrayDeque<>());
            int before = Mapping.openCount();
            int fds = Fd.openCount();
            limitAddresses();
            Deque<Mapping> filling = new ArrayDeque<>();
            fill(STEP_BYTES, filling);
            int failures = 0;
            int left = 0;
            BdevChannel channel = null;
            while (channel == null && !filling.isEmpty()) {
                filling.pop().close();
                try {
                    channel = disk.openChannel(null);
                } catch (LinuxException e) {
                    failures += e.errno() == Errno.ENOMEM ? 1 : 0;
                    left = Math.max(left, Mapping.openCount() - before - filling.size());
                }
            }
            filling.forEach(Mapping::close);
            if (channel != null) {
                channel.close();
            }
            System.out.println(
                    failures + " failures left " + left + " mappings, " + (Fd.openCount() - fds) + " descriptors");
        }
    }

    private static void fill(long stepBytes, Deque<Mapping> filling) {
        try {
            while (true) {
                filling.push(Mapping.anonymous(stepBytes));
            }
        } catch (LinuxException full) {
            assert full.errno() == Errno.ENOMEM : full;
        }
    }

    private static void limitAddresses() throws IOException, InterruptedException {
        long pages = Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ", -1)[0]);
        long bytes = pages * 4096 + ROOM_BYTES;
        int status = new ProcessBuilder(
                        "prlimit",
                        "--pid=" + ProcessHandle.current().pid(),
                        "--as=" + bytes + ":")
                .inheritIO()
                .start()
                .waitFor();
        if (status != 0) {
            throw new IllegalStateException("prlimit failed");
        }
    }
}
