package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.linux.EventFd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a front-end must not share: regions of guest memory, dirty logs and in-flight buffers. */
@Timeout(30)
class MemoryViolationTest extends OffendingFrontend {
    private void refusedTable(byte[]... regions) {
        guest.negotiate();
        byte[] all = new byte[0];
        int[] fds = new int[regions.length];
        for (int i = 0; i < regions.length; i++) {
            all = bytes(all, regions[i]);
            fds[i] = guest.file.fd().value();
        }
        refused(RawFrontend.SET_MEM_TABLE, bytes(regions.length, 0, all), fds);
    }

    @Test
    void anEmptyRegion() {
        refusedTable(TestGuest.region(0, 0, 0, 0));
    }

    @Test
    void aRegionWhoseGuestAddressesWrapAround() {
        refusedTable(TestGuest.region(-4096, 8192, 0, 0));
    }

    @Test
    void aRegionWhoseUserAddressesWrapAround() {
        refusedTable(TestGuest.region(0, 8192, -4096, 0));
    }

    @Test
    void aRegionWhoseFileOffsetOverflows() {
        refusedTable(TestGuest.region(0, 8192, 0, Long.MAX_VALUE - 4095));
    }

    @Test
    void aRegionWithANegativeFileOffset() {
        refusedTable(TestGuest.region(0, 8192, 0, -4096));
    }

    @Test
    void aRegionOfNegativeSize() {
        refusedTable(TestGuest.region(0, -4096, 0, 0));
    }

    @Test
    void aRegionThatIsLongerThanItsFile() {
        refusedTable(TestGuest.region(0, TestGuest.MEMORY_BYTES + 1, 0, 0));
    }

    @Test
    void aRegionThatStartsPastTheEndOfItsFile() {
        refusedTable(TestGuest.region(0, 4096, 0, TestGuest.MEMORY_BYTES));
    }

    @Test
    void aRegionThatIsNotOnAPageOfItsFile() {
        refusedTable(TestGuest.region(0, 4096, 0, 100));
    }

    @Test
    void regionsThatOverlapForTheGuest() {
        refusedTable(TestGuest.region(0, 8192, 0, 0), TestGuest.region(4096, 8192, 0x10000, 8192));
    }

    @Test
    void regionsThatOverlapForTheFrontend() {
        refusedTable(TestGuest.region(0, 8192, 0, 0), TestGuest.region(0x10000, 8192, 4096, 8192));
    }

    @Test
    void aRegionOfAnEnormousSparseFile() {
        guest.negotiate();
        try (MemoryFile huge = MemoryFile.create("huge", 0)) {
            long size = 1L << 62;
            assertEquals(0, huge.setLength(size));
            refused(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.region(0, size, 0, 0)), huge.fd().value());
        }
    }

    @Test
    void aRegionOfSomethingThatIsNoFile() {
        guest.negotiate();
        try (EventFd event = EventFd.create()) {
            refused(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), event.fd().value());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {9, 255, -1, Integer.MIN_VALUE, 0x7fffffff})
    void aTableOfMoreRegionsThanFit(int count) {
        guest.negotiate();
        refused(RawFrontend.SET_MEM_TABLE, bytes(count, 0, TestGuest.wholeMemory()), guest.file.fd().value());
    }

    @Test
    void aTableThatIsShorterThanItsCount() {
        guest.negotiate();
        refused(RawFrontend.SET_MEM_TABLE, bytes(2, 0, TestGuest.wholeMemory()), guest.file.fd().value());
    }

    @Test
    void fewerDescriptorsThanRegions() {
        guest.negotiate();
        byte[] two = bytes(2, 0, TestGuest.region(0, 4096, 0, 0), TestGuest.region(4096, 4096, 4096, 0));
        refused(RawFrontend.SET_MEM_TABLE, two, guest.file.fd().value());
    }

    @Test
    void moreDescriptorsThanRegions() {
        guest.negotiate();
        int fd = guest.file.fd().value();
        refused(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), fd, fd);
    }

    @Test
    void addingARegionOverAnother() {
        guest.negotiate();
        guest.shareMemory();
        byte[] part = TestGuest.region(TestGuest.GUEST_BASE, 4096, TestGuest.USER_BASE, 0);
        refused(RawFrontend.ADD_MEM_REG, bytes(0L, part), guest.file.fd().value());
    }

    @Test
    void addingARegionWithoutItsDescriptor() {
        guest.negotiate();
        refused(RawFrontend.ADD_MEM_REG, bytes(0L, TestGuest.wholeMemory()));
    }

    @Test
    void removingARegionThatIsNotThere() {
        guest.negotiate();
        guest.shareMemory();
        refused(RawFrontend.REM_MEM_REG, bytes(0L, TestGuest.region(0, 4096, 0, 0)));
    }

    @Test
    void moreRegionsThanSlots() {
        guest.negotiate();
        int before = Mapping.openCount();
        for (int i = 0; i < 509; i++) {
            byte[] region = TestGuest.region(i * 8192L, 4096, i * 8192L, 0);
            raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, region), guest.file.fd().value());
        }
        assertEquals(before + 509, Mapping.openCount());
        byte[] region = TestGuest.region(509 * 8192L, 4096, 509 * 8192L, 0);
        refused(RawFrontend.ADD_MEM_REG, bytes(0L, region), guest.file.fd().value());
    }

    @Test
    void aLogWhoseSizeAndOffsetOverflow() {
        // The shape of CVE-2020-10722.
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        raw.send(RawFrontend.SET_LOG_BASE, bytes(-1L, 0x1000L), guest.file.fd().value());
    }

    @Test
    void aLogThatWasNotNegotiated() {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        raw.send(RawFrontend.SET_LOG_BASE, bytes(4096L, 0L), guest.file.fd().value());
    }

    // The in-flight buffer.

    private static byte[] inflight(long size, long offset, int queues, int queueSize) {
        return bytes(size, offset, (short) queues, (short) queueSize, 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0 128", "2 0", "1025 128", "2 32769", "65535 65535"})
    void anInflightBufferOfImpossibleCounts(String counts) {
        guest.negotiate();
        int[] numbers = Arrays.stream(counts.split(" ")).mapToInt(Integer::parseInt).toArray();
        raw.send(RawFrontend.GET_INFLIGHT_FD, inflight(0, 0, numbers[0], numbers[1]));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, Long.MAX_VALUE, TestGuest.MEMORY_BYTES + 1})
    void anInflightBufferOfImpossibleLength(long length) {
        guest.negotiate();
        refused(RawFrontend.SET_INFLIGHT_FD, inflight(length, 0, 1, 8), guest.file.fd().value());
    }

    @ParameterizedTest
    @ValueSource(longs = {-4096, 100, Long.MAX_VALUE - 4095, TestGuest.MEMORY_BYTES})
    void anInflightBufferAtAnImpossibleOffset(long offset) {
        guest.negotiate();
        refused(RawFrontend.SET_INFLIGHT_FD, inflight(4096, offset, 1, 8), guest.file.fd().value());
    }

    @Test
    void anInflightBufferThatIsTooSmallForItsRing() {
        setUpButForTheKick();
        raw.ok(RawFrontend.SET_INFLIGHT_FD, inflight(64, 0, 2, 8), guest.file.fd().value());
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @Test
    void anInflightBufferForSmallerRings() {
        setUpButForTheKick();
        raw.ok(RawFrontend.SET_INFLIGHT_FD, inflight(4096, 0, 2, 4), guest.file.fd().value());
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @Test
    void anInflightBufferWhileRingsRun() {
        guest.setUp(0, 8);
        refused(RawFrontend.SET_INFLIGHT_FD, inflight(4096, 0, 1, 8), guest.file.fd().value());
    }

    @Test
    void anInflightBufferThatIsGarbage() throws Exception {
        setUpButForTheKick();
        try (MemoryFile garbage = MemoryFile.create("garbage", 8192);
                Mapping map = garbage.map()) {
            Memory.fill(map.address(), 8192, (byte) 0xff);
            raw.ok(RawFrontend.SET_INFLIGHT_FD, inflight(8192, 0, 2, 8), garbage.fd().value());
            refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
        }
    }
}
