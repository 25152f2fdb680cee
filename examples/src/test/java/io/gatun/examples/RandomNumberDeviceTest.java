package io.gatun.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.reactor.Reactor;
import io.gatun.vhostuser.BackendOptions;
import io.gatun.vhostuser.ControlLoop;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserBackend;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.VirtioFeatures;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The example device, by way of its socket. */
class RandomNumberDeviceTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void fillsBuffersWithRandomBytes(boolean packed) {
        Path socket = directory.resolve("rng.sock");
        try (ControlLoop loop = ControlLoop.start();
                Reactor reactor = Reactor.start("rng", -1, Reactor.IdlePolicy.ADAPTIVE);
                VhostUserBackend backend = VhostUserBackend.listen(
                        loop, socket, new RandomNumberDevice(), List.of(reactor), BackendOptions.DEFAULT);
                SharedMemory memory = SharedMemory.ofPages(1L << 32, 1 << 20);
                VhostUserFrontend driver = VhostUserFrontend.connect(socket, PATIENCE)) {
            driver.negotiate(driver.features() & (packed ? -1L : ~VirtioFeatures.RING_PACKED));
            driver.shareMemory(memory);
            FrontendQueue queue = driver.startQueue(0, 16);
            long buffer = memory.allocate(512, 8);
            assertEquals(64, fill(queue, memory, buffer, 64));
            long first = Memory.getLong(buffer);
            assertEquals(256, fill(queue, memory, buffer, 512), "no more than the device likes");
            assertNotEquals(0, first);
            assertNotEquals(first, Memory.getLong(buffer));
            assertEquals(0, Memory.getLong(buffer + 256));
            assertTrue(backend.connected());
        }
    }

    /** Has one buffer filled; returns how many bytes the device wrote. */
    private static long fill(FrontendQueue queue, SharedMemory memory, long buffer, int length) {
        long[] addresses = {memory.toGuest(buffer)};
        int[] lengths = {length};
        assertFalse(queue.driver().add(addresses, lengths, 0, 0, 1) < 0);
        boolean armed = queue.driver().armCalls();
        assertTrue(armed, "nothing is used before it was made available");
        if (queue.driver().publishAvailable()) {
            queue.kick();
        }
        while (queue.driver().popUsed() < 0) {
            assertTrue(queue.awaitCall(PATIENCE), "the device never answered");
        }
        return queue.driver().usedLength();
    }
}
