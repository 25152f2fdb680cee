package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.vring.VirtioFeatures;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Our front-end in front of our back-end: each of its requests, and the data that flows between. */
@Timeout(30)
class VhostUserFrontendTest {
    private static final Duration SOON = Duration.ofSeconds(5);

    @ParameterizedTest(name = "packed={0}")
    @ValueSource(booleans = {false, true})
    void queuesServeStopAndResume(boolean packed) {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(1L << 32, 1 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            assertEquals(2, device.queueLimit());
            negotiate(device, memory, packed);
            FrontendQueue first = device.startQueue(0, 8);
            FrontendQueue second = device.startQueue(1, 16);
            for (int round = 0; round < 40; round++) {
                exchange(first, memory);
                exchange(second, memory);
            }
            int base = device.stopQueue(0);
            exchange(second, memory);
            device.resumeQueue(first, base);
            exchange(first, memory);
        }
    }

    /** A driver that tries again and again must not run out of descriptors: the lab counts them. */
    @Test
    void aQueueThatIsRefusedLeavesNothingOpen() {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            negotiate(device, memory, false);
            FrontendException e = assertThrows(FrontendException.class, () -> device.startQueue(2, 8));
            assertTrue(e.getMessage().startsWith("SET_VRING_NUM: "), e.getMessage());
        }
    }

    @Test
    void aBackendMayConnectToUs() throws Exception {
        try (BackendLab lab = new BackendLab()) {
            Path socket = lab.folder.resolve("ours.sock");
            VhostUserBackend connecting = VhostUserBackend.connect(
                    lab.loop, socket, new TestDevice(1), lab.reactors, BackendOptions.DEFAULT);
            try (SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                    VhostUserFrontend device = VhostUserFrontend.accept(socket, SOON)) {
                negotiate(device, memory, false);
                exchange(device.startQueue(0, 8), memory);
                assertTrue(device.isConnected());
                connecting.close();
                assertFalse(device.isConnected());
            }
        }
    }

    @Test
    void theConfigurationSpaceIsReadWrittenAndWatched() {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            assertArrayEquals(new byte[] {2, 3, 4}, device.readConfig(1, 3));
            device.writeConfig(TestDevice.WRITABLE_BYTE, new byte[] {77}, false);
            assertArrayEquals(new byte[] {77}, device.readConfig(TestDevice.WRITABLE_BYTE, 1));
            assertFalse(device.awaitConfigChange(Duration.ofMillis(20)));
            negotiate(device, memory, false);
            exchange(device.startQueue(0, 8), memory);
            lab.device.events.configChanged();
            assertTrue(device.awaitConfigChange(SOON));
            FrontendException e = assertThrows(
                    FrontendException.class, () -> device.writeConfig(0, new byte[] {1}, false));
            assertTrue(e.getMessage().startsWith("SET_CONFIG: "), e.getMessage());
            assertTrue(e.getMessage().contains("refused it (error"), e.getMessage());
        }
    }

    @ParameterizedTest(name = "packed={0}")
    @ValueSource(booleans = {false, true})
    void aQueueAndItsInflightBufferOutliveTheConnection(boolean packed) {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(0, 1 << 20)) {
            FrontendQueue queue;
            InflightRegion inflight;
            int base;
            try (VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
                negotiate(device, memory, packed);
                inflight = device.getInflight(1, 8);
                device.setInflight(inflight);
                queue = device.startQueue(0, 8);
                exchange(queue, memory);
                base = device.stopQueue(0);
                device.releaseQueue(queue);
            }
            BackendLab.await("the connection to end", () -> !lab.backend.connected());
            try (inflight;
                    VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
                negotiate(device, memory, packed);
                device.setInflight(inflight);
                device.resumeQueue(queue, base);
                exchange(queue, memory);
            }
        }
    }

    @Test
    void regionsComeAndGo() {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            negotiate(device, memory, false);
            FrontendQueue queue = device.startQueue(0, 8);
            assertTrue(device.memorySlots() > 8);
            SharedMemory.Region region = memory.addRegion(1L << 33, 4096);
            device.addRegion(region);
            offer(queue, memory, region.hostAddress());
            assertTrue(awaitUsed(queue) >= 0);
            assertEquals(TestDevice.FILL, Memory.getByte(region.hostAddress()));
            device.removeRegion(region);
            exchange(queue, memory);
            offer(queue, memory, region.hostAddress());
            BackendLab.await("the error to be signalled", queue::takeError);
            assertFalse(queue.takeError());
        }
    }

    @Test
    void statusFollowsTheDriverAndResetStopsTheDevice() {
        try (BackendLab lab = new BackendLab();
                SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            assertEquals(0, device.getStatus());
            negotiate(device, memory, false);
            assertEquals(0xb, device.getStatus());
            exchange(device.startQueue(0, 8), memory);
            assertEquals(0xf, device.getStatus());
            device.resetDevice();
            assertTrue(lab.device.log.contains("reset"));
            assertEquals(0, device.getStatus());
        }
    }

    @Test
    void aNetworkDeviceHearsOfMtuAndAddress() {
        try (BackendLab lab = new BackendLab();
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            device.setMtu(1500);
            FrontendException e = assertThrows(FrontendException.class, () -> device.setMtu(10));
            assertTrue(e.getMessage().contains("refused it (error"), e.getMessage());
            device.announce(new byte[] {0x52, 0x54, 0, 0x12, 0x34, 0x56});
            assertEquals(List.of("mtu 1500", "mtu 10", "announce 6"), lab.device.log);
        }
    }

    @Test
    void worksWithEveryChoiceOfProtocolFeatures() {
        for (long features : List.of(
                0L, ProtocolFeatures.MQ, ProtocolFeatures.REPLY_ACK, ProtocolFeatures.STATUS, ~0L)) {
            try (BackendLab lab = new BackendLab();
                    SharedMemory memory = SharedMemory.ofPages(0, 1 << 20);
                    VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON, features
                            & VhostUserFrontend.PROTOCOL_FEATURES)) {
                negotiate(device, memory, false);
                exchange(device.startQueue(0, 8), memory);
            }
        }
    }

    @Test
    void featuresThatAreNotOfferedAreRefusedHere() {
        try (BackendLab lab = new BackendLab();
                VhostUserFrontend device = VhostUserFrontend.connect(lab.backend.socket(), SOON)) {
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> device.negotiate(1L << 50));
            assertTrue(e.getMessage().endsWith("does not offer features 0x4000000000000"), e.getMessage());
            assertThrows(IllegalStateException.class, () -> device.startQueue(0, 8));
        }
    }

    private static void negotiate(VhostUserFrontend device, SharedMemory memory, boolean packed) {
        device.negotiate(VirtioFeatures.VERSION_1 | (packed ? VirtioFeatures.RING_PACKED : 0));
        assertEquals(packed, (device.negotiatedFeatures() & VirtioFeatures.RING_PACKED) != 0);
        device.shareMemory(memory);
    }

    private static void offer(FrontendQueue queue, SharedMemory memory, long buffer) {
        Memory.fill(buffer, 64, (byte) 0);
        int id = queue.driver().add(new long[] {memory.toGuest(buffer)}, new int[] {64}, 0, 0, 1);
        assertTrue(id >= 0);
        if (queue.driver().publishAvailable()) {
            queue.kick();
        }
    }

    private static int awaitUsed(FrontendQueue queue) {
        int id;
        while ((id = queue.driver().popUsed()) < 0) {
            if (queue.driver().armCalls()) {
                assertTrue(queue.awaitCall(SOON), "the device never called");
            }
        }
        return id;
    }

    /** One buffer there and back. */
    private static void exchange(FrontendQueue queue, SharedMemory memory) {
        long buffer = memory.allocate(64, 8);
        offer(queue, memory, buffer);
        assertTrue(awaitUsed(queue) >= 0);
        assertEquals(64, queue.driver().usedLength());
        for (int i = 0; i < 64; i++) {
            assertEquals(TestDevice.FILL, Memory.getByte(buffer + i));
        }
    }
}
