package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

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
        try (RandomAccessFile file = new RandomAccessFile(server.image().toFile(), "rw")) {
            file.setLength(bytes);
        }
    }
}
