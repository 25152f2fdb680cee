package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.InflightLayout;
import io.gatun.vring.QueueConfig;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory that comes, goes and is replaced under running rings, and the buffer that outlives a back-end. */
@Timeout(30)
class MemoryChangeTest {
    private static final long EXTRA_GUEST = 0x9000_0000L;
    private static final long EXTRA_USER = 0x5000_0000_0000L;

    private final BackendLab lab = new BackendLab();
    private final TestGuest guest = TestGuest.connect(lab.backend.socket());
    private final MemoryFile extra = MemoryFile.create("extra", 8192);
    private final Mapping extraMemory = extra.map();

    @AfterEach
    void nothingLeaks() {
        guest.close();
        extraMemory.close();
        extra.close();
        lab.device.hold = false;
        lab.assertReleased();
        lab.close();
    }

    private static byte[] extraRegion() {
        return TestGuest.region(EXTRA_GUEST, 4096, EXTRA_USER, 4096);
    }

    private void add() {
        guest.raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, extraRegion()), extra.fd().value());
    }

    @Test
    void theDeviceIsToldOfMemoryThatComesAndGoes() {
        guest.setUp(0, 8);
        int before = lab.device.memory.size();
        assertTrue(before > 0);
        add();
        assertEquals(before + 1, lab.device.memory.size());
        add();
        assertEquals(before + 1, lab.device.memory.size(), "counted, not new");
        lab.device.hold = true;
        guest.offer(0);
        BackendLab.await("a request in flight", () -> lab.device.inFlight() == 1);
        guest.raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, extraRegion()));
        assertEquals(before + 1, lab.device.memory.size());
        lab.device.hold = false;
        // The device's check is that nothing is in flight at that moment.
        guest.raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, extraRegion()));
        assertEquals(before, lab.device.memory.size());
        guest.close();
        BackendLab.await("the end", () -> lab.device.memory.isEmpty());
    }

    /** Its mapping is gone, and the device is asked for nothing that it never got. */
    @Test
    void memoryThatTheDeviceRefusesEndsTheConnection() {
        guest.setUp(0, 8);
        lab.device.memoryRefusal = new IllegalStateException("no room in the table");
        assertEquals(1, guest.raw.acked(RawFrontend.ADD_MEM_REG, bytes(0L, extraRegion()), extra.fd().value()));
        guest.raw.assertEnded();
    }

    @Test
    void anAddedRegionIsUsedByRunningRings() {
        guest.setUp(0, 8);
        guest.exchange(0);
        add();
        guest.offerAt(0, EXTRA_GUEST, 4096);
        BackendLab.await("use", () -> guest.queues[0].popUsed() >= 0);
        // The region starts at the second page of its file.
        assertEquals(0, Memory.getByte(extraMemory.address() + 4095));
        assertEquals(TestDevice.FILL, Memory.getByte(extraMemory.address() + 4096));
        assertEquals(TestDevice.FILL, Memory.getByte(extraMemory.address() + 8191));
    }

    @Test
    void aRegionThatIsAddedOncePerQueuePairStaysUntilItIsRemovedAsOften() {
        guest.setUp(0, 8);
        int before = Mapping.openCount();
        for (int pair = 0; pair < 4; pair++) {
            add();
        }
        assertEquals(before + 1, Mapping.openCount());
        for (int pair = 0; pair < 3; pair++) {
            guest.raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, extraRegion()));
        }
        guest.exchange(0);
        guest.offerAt(0, EXTRA_GUEST, 4096);
        BackendLab.await("use", () -> guest.queues[0].popUsed() >= 0);
        guest.raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, extraRegion()));
        assertEquals(before, Mapping.openCount());
    }

    @Test
    void aRemovedRegionIsUnmappedAndOutOfReach() {
        guest.setUp(0, 8);
        int before = Mapping.openCount();
        add();
        assertEquals(before + 1, Mapping.openCount());
        guest.raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, extraRegion()));
        assertEquals(before, Mapping.openCount(), "the acknowledgement says that it is unmapped");
        guest.exchange(0);
        guest.offerAt(0, EXTRA_GUEST, 4096);
        guest.awaitError(0);
    }

    @Test
    void aRegionIsUnmappedOnlyWhenNothingIsInFlight() {
        guest.setUp(0, 8);
        add();
        lab.device.hold = true;
        guest.offerAt(0, EXTRA_GUEST, 4096);
        BackendLab.await("the request", () -> lab.device.inFlight() == 1);
        guest.raw.sendBytes(RawFrontend.message(RawFrontend.REM_MEM_REG, 9, bytes(0L, extraRegion())));
        assertEquals(-Errno.ETIMEDOUT, guest.raw.socket().awaitReadable(20));
        lab.device.hold = false;
        assertEquals(0, guest.raw.receive(RawFrontend.REM_MEM_REG).u64());
        assertEquals(TestDevice.FILL, Memory.getByte(extraMemory.address() + 8191));
        assertTrue(guest.queues[0].popUsed() >= 0);
    }

    @Test
    void aNewTableMayMoveEverythingButTheRings() {
        guest.setUp(0, 8);
        for (int i = 0; i < 30; i++) {
            guest.exchange(0);
            guest.offer(0);
            byte[] both = bytes(2, 0, TestGuest.wholeMemory(), extraRegion());
            byte[] table = i % 2 == 0 ? both : bytes(1, 0, TestGuest.wholeMemory());
            int file = guest.file.fd().value();
            int[] fds = i % 2 == 0 ? new int[] {file, extra.fd().value()} : new int[] {file};
            guest.raw.ok(RawFrontend.SET_MEM_TABLE, table, fds);
            guest.awaitUsed(0);
        }
    }

    @Test
    void aTableWithoutTheRingsBreaksThem() {
        guest.setUp(0, 8);
        guest.exchange(0);
        guest.raw.ok(RawFrontend.SET_MEM_TABLE, bytes(1, 0, extraRegion()), extra.fd().value());
        guest.awaitError(0);
        BackendLab.await("status", () -> lab.backend.rings().getFirst().broken() != null);
        guest.shareMemory();
        guest.stop(0);
        guest.startRing(0, 8);
        guest.exchange(0);
    }

    @Test
    void anEmptyTableIsLegalWhileNothingRuns() {
        guest.negotiate();
        guest.shareMemory();
        guest.raw.ok(RawFrontend.SET_MEM_TABLE, bytes(0, 0));
        guest.shareMemory();
        guest.startRing(0, 8);
        guest.enable(0, 1);
        guest.exchange(0);
    }

    /**
     * A predecessor took two requests, answered neither, and died; the buffer that it shared with the front-end says
     * so.
     */
    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 32 | 1L << 34})
    void servesWhatACrashedPredecessorLeftInFlight(long features) {
        succeed(features, queue -> {
            DescriptorChain chain = new DescriptorChain(8);
            assertTrue(queue.pop(chain));
            assertTrue(queue.pop(chain));
        });
        guest.awaitUsed(0);
        BackendLab.await("the second one", () -> guest.queues[0].popUsed() >= 0);
        guest.exchange(0);
    }

    /** A predecessor answered all there was and died before it could call: the driver may be asleep. */
    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 32 | 1L << 34})
    void makesTheCallThatACrashedPredecessorOwed(long features) {
        succeed(features, queue -> {
            DescriptorChain chain = new DescriptorChain(8);
            while (queue.pop(chain)) {
                queue.putUsed(chain, 0);
            }
            assertTrue(queue.publishUsed(), "the driver wants a call");
        });
        BackendLab.await("the call", () -> guest.calls[0].drain() > 0);
        assertTrue(guest.queues[0].popUsed() >= 0);
    }

    /** The back-end takes over a queue of two requests from a predecessor that did something and died. */
    private void succeed(long features, Consumer<DeviceQueue> predecessor) {
        guest.features = features;
        guest.negotiate();
        RawFrontend.Reply reply =
                guest.raw.ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) 1, (short) 8, 0));
        byte[] description = new byte[24];
        reply.payload().get(0, description);
        guest.makeQueue(0, 8);
        try (Fd file = reply.descriptors().getFirst();
                MemoryFile inflight = MemoryFile.owning(file.duplicate());
                Mapping buffer = inflight.map()) {
            guest.offer(0);
            guest.offerAt(0, TestGuest.GUEST_BASE + (900 << 10), 512);
            predecessor.accept(predecessor(buffer));
            guest.shareMemory();
            guest.raw.ok(RawFrontend.SET_INFLIGHT_FD, description, file.value());
        }
        guest.setNum(0, 8);
        // Without the buffer this base would mean that both requests are done with.
        guest.setBase(0, guest.isPacked() ? 0x8002 | 0x8000 << 16 : 2);
        guest.setAddress(0);
        guest.setCall(0);
        guest.setKick(0);
        guest.enable(0, 1);
    }

    private DeviceQueue predecessor(Mapping inflight) {
        GuestMemory memory = GuestMemory.of(List.of(new GuestMemory.Region(
                TestGuest.GUEST_BASE, TestGuest.MEMORY_BYTES, TestGuest.USER_BASE, guest.memory.address())));
        return DeviceQueue.create(new QueueConfig(
                8,
                guest.features,
                guest.queues[0].descriptorAddress(),
                guest.queues[0].availAddress(),
                guest.queues[0].usedAddress(),
                guest.isPacked() ? 0x8000_8000 : 0,
                memory,
                inflight.address(),
                InflightLayout.regionBytes(guest.isPacked(), 8)));
    }
}
