package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PeerProcessTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @Test
    void outputComesAsLinesAndInputGoesIn() {
        try (PeerProcess cat = PeerProcess.start("cat", List.of("cat"))) {
            cat.send("one");
            cat.send("two");
            LineLog.Line two = cat.output().await("two", 0, "two"::equals, PATIENCE);
            assertEquals(1, two.index());
            assertEquals("one", cat.output().from(0).getFirst().text());
        }
    }

    @Test
    void waitingForAnEndedProcessSaysWhatItSaid() {
        try (PeerProcess echo = PeerProcess.start("echo", List.of("echo", "no such disk"))) {
            AssertionError error = assertThrows(
                    AssertionError.class, () -> echo.output().await("service", 0, "service"::equals, PATIENCE));
            assertTrue(error.getMessage().contains("no such disk"), error::getMessage);
        }
    }

    @Test
    void killLeavesNoChild() {
        PeerProcess shell = PeerProcess.start("sh", List.of("sh", "-c", "sleep 600 & echo $!; wait"));
        String line = shell.output().await("the child's number", 0, _ -> true, PATIENCE).text();
        ProcessHandle child = ProcessHandle.of(Long.parseLong(line)).orElseThrow();
        shell.close();
        assertFalse(shell.isAlive());
        child.onExit().orTimeout(PATIENCE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS).join();
    }

    @Test
    void lifetimeIsLimited() {
        try (PeerProcess sleeper = PeerProcess.start(
                "sleep", List.of("sleep", "600"), Map.of(), Path.of("."), Duration.ofMillis(100))) {
            assertEquals(128 + 9, sleeper.awaitExit(PATIENCE));
        }
    }

    @Test
    void suspendedProcessDoesNothingUntilItIsResumed() throws InterruptedException {
        try (PeerProcess cat = PeerProcess.start("cat", List.of("cat"))) {
            cat.suspend();
            cat.send("line");
            Thread.sleep(100);
            assertEquals(0, cat.output().size());
            cat.resume();
            cat.output().await("the line", 0, "line"::equals, PATIENCE);
        }
    }

    @Test
    void usageCountsTheCpuTimeOfASpinner() {
        try (PeerProcess spinner = PeerProcess.start("sh", List.of("sh", "-c", "while :; do :; done"))) {
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            ProcessUsage usage = spinner.usage();
            while (usage.cpuTime().isZero() && System.nanoTime() < deadline) {
                usage = spinner.usage();
            }
            assertFalse(usage.cpuTime().isZero());
            assertTrue(usage.fileDescriptors() >= 3, usage::toString);
            assertTrue(usage.mappings() > 1, usage::toString);
            assertEquals(1, usage.threads());
        }
    }

    @Test
    void listeningSocketsAreSeenWithoutAConnection() throws IOException {
        try (Lab.Workspace workspace = Lab.workspace()) {
            Path socket = workspace.path("s.sock");
            assertFalse(ListeningSockets.contains(socket));
            try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                server.bind(UnixDomainSocketAddress.of(socket));
                assertTrue(ListeningSockets.contains(socket));
            }
            assertFalse(ListeningSockets.contains(socket), "a stale socket file is no listener");
        }
    }
}
