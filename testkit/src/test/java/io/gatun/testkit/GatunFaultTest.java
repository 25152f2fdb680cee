package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** When what is behind the disk fails, or guests come and go. */
@RequiresPeer(Peer.GUEST)
class GatunFaultTest {
    private static final Duration STEP = Duration.ofSeconds(90);

    @Test
    void fileThatLostItsEndIsAnIoErrorForTheGuestAndALineInTheLog() throws IOException {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE);
        try (DiskServer server = DiskServer.start(GatunProgram.require(), spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            guest.run("write_read vda", STEP);
            setLength(server, 1 << 20);
            guest.run("io_error vda read 32768", STEP);
            String log = server.process().output().tail(50) + server.process().errors().tail(50);
            assertTrue(log.contains(server.image().toString()), () -> "the log names the file:\n" + log);
            setLength(server, (long) spec.sizeMegabytes() << 20);
            guest.run("write_read vda", STEP);
            guest.powerOff();
        }
    }

    @Test
    void fullFileSystemIsAnIoErrorForTheGuestAndALineInTheLog() {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE);
        try (DiskServer server = DiskServer.start(new TinyFileSystem(GatunProgram.require(), 24), spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            guest.run("write_read vda", STEP);
            guest.run("fill vda 32", STEP);
            String log = server.process().output().tail(50) + server.process().errors().tail(50);
            assertTrue(log.contains("tiny/disk.img"), () -> "the log names the file:\n" + log);
            assertTrue(log.contains("ENOSPC"), () -> "the log says why:\n" + log);
            // Nothing hangs, what is there stays usable, and room that the guest makes is room again.
            guest.run("empty vda", STEP);
            guest.run("write_read vda", STEP);
            guest.powerOff();
        }
    }

    @Test
    void runningGuestSeesItsDiskGrow() throws IOException {
        GatunProgram gatun = GatunProgram.require();
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE);
        try (DiskServer server = DiskServer.start(gatun, spec);
                QemuGuest guest = GuestDiskContract.guestOf(server)) {
            guest.run("load_start vda 1", STEP);
            long megabytes = 2L * spec.sizeMegabytes();
            setLength(server, megabytes << 20);
            String control = server.socket().resolveSibling("rpc.sock").toString();
            PeerProcess.output(
                    List.of(gatun.script().toString(), "rpc", "-s", control, "bdev_aio_rescan", "name=disk"), STEP);
            guest.run("await_sectors vda " + (megabytes << 11), STEP);
            guest.run("load_stop", STEP);
            guest.run("write_end vda", STEP);
            guest.run("kernel_log", STEP);
            guest.powerOff();
        }
    }

    @Test
    void diskThatFailsLeavesTheGuestsOtherDiskAlone() throws IOException {
        GatunProgram gatun = GatunProgram.require();
        try (Lab.Workspace workspace = Lab.workspace();
                PeerProcess process = startTwoDisks(gatun, workspace);
                QemuGuest guest = QemuGuest.builder()
                        .disk(GuestDisk.at(workspace.path("d0.sock")))
                        .disk(GuestDisk.at(workspace.path("d1.sock")))
                        .boot()) {
            guest.run("load_start vdb 2", STEP);
            guest.run("write_read vda", STEP);
            setLength(workspace.path("d0.img"), 1 << 20);
            for (int i = 0; i < 20; i++) {
                guest.run("io_error vda read " + (32_768 + 64 * i), STEP);
            }
            guest.run("load_stop", STEP);
            assertTrue(process.isAlive(), "Gatun goes on");
            guest.powerOff();
        }
    }

    /** QEMU stops a suspended guest's rings by a reset and starts them where they stopped. */
    @ParameterizedTest(name = "packed: {0}")
    @ValueSource(booleans = {false, true})
    void guestThatIsSuspendedUnderLoadGoesOn(boolean packed) {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2);
        try (DiskServer server = DiskServer.start(GatunProgram.require(), spec);
                QemuGuest guest = QemuGuest.builder()
                        .disk(GuestDisk.at(server.socket()).withQueues(2).withPacked(packed))
                        .boot()) {
            guest.run("load_start vda 2", STEP);
            for (int i = 0; i < 5; i++) {
                int from = guest.console().size();
                guest.console().await("load", from, line -> line.startsWith("LOAD writer=1"), STEP);
                guest.qmp().execute("stop");
                LockSupport.parkNanos(50_000_000);
                guest.qmp().execute("cont");
            }
            guest.run("load_stop", STEP);
            guest.run("kernel_log", STEP);
            guest.powerOff();
        }
    }

    /** One process, two disks of 256 MiB in files, d0 and d1. */
    private static PeerProcess startTwoDisks(GatunProgram gatun, Lab.Workspace workspace) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                gatun.script().toString(), "serve", "--rpc", workspace.path("rpc.sock").toString()));
        for (String name : List.of("d0", "d1")) {
            setLength(workspace.path(name + ".img"), 256 << 20);
            command.addAll(List.of(
                    "--bdev", "file:" + name + ",path=" + workspace.path(name + ".img"),
                    "--vhost-blk", workspace.path(name + ".sock") + ",bdev=" + name));
        }
        PeerProcess process = PeerProcess.start("gatun", command);
        try {
            ListeningSockets.await(workspace.path("d1.sock"), process, STEP);
            return process;
        } catch (AssertionError e) {
            process.close();
            throw e;
        }
    }

    @Test
    void guestsThatComeAndGoLeaveNothingBehind() {
        DiskSpec spec = DiskSpec.of(DiskSpec.Medium.FILE).withQueues(2);
        try (DiskServer server = DiskServer.start(GatunProgram.require(), spec)) {
            serveOneGuest(server, true);
            ProcessUsage first = settled(server);
            assertEquals(0, first.sharedMemoryMappings(), "guest memory that is still mapped");
            serveOneGuest(server, true);
            serveOneGuest(server, false);
            ProcessUsage last = settled(server);
            assertEquals(first.fileDescriptors(), last.fileDescriptors(), "file descriptors");
            assertEquals(0, last.sharedMemoryMappings(), "guest memory that is still mapped");
        }
    }

    /** One guest's life, to its orderly end or to its sudden death. */
    private static void serveOneGuest(DiskServer server, boolean orderly) {
        try (QemuGuest guest = GuestDiskContract.guestOf(server)) {
            guest.run("parallel vda 2 2", STEP);
            assertTrue(server.process().usage().sharedMemoryMappings() > 0, "guest memory is mapped");
            if (orderly) {
                guest.powerOff();
            }
        }
    }

    /** What the server holds once it has noticed that the guest has gone. */
    private static ProcessUsage settled(DiskServer server) {
        long deadline = System.nanoTime() + STEP.toNanos();
        ProcessUsage usage = server.process().usage();
        while (usage.sharedMemoryMappings() > 0 && System.nanoTime() < deadline) {
            LockSupport.parkNanos(10_000_000);
            usage = server.process().usage();
        }
        return usage;
    }

    private static void setLength(DiskServer server, long bytes) throws IOException {
        setLength(server.image(), bytes);
    }

    private static void setLength(Path image, long bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }
}
