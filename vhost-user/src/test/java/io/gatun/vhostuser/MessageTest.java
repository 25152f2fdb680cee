package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static io.gatun.vhostuser.RawFrontend.message;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.FileStatus;
import io.gatun.linux.MemoryFile;
import io.gatun.linux.UnixSocket;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One message after the other, as bytes: the legal uses (vhost-user, "Front-end message types"). */
@Timeout(30)
class MessageTest {
    private static final long PROTOCOL = 1L << 30;

    private final BackendLab lab = new BackendLab();
    private final TestGuest guest = TestGuest.connect(lab.backend.socket());
    private final RawFrontend raw = guest.raw;

    @AfterEach
    void nothingLeaks() {
        guest.close();
        lab.assertReleased();
        lab.close();
    }

    private void setProtocol(long features) {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(features));
    }

    @Test
    void getFeaturesOffersTheDeviceAndProtocolFeatures() {
        assertEquals(TestDevice.FEATURES | PROTOCOL, raw.askU64(RawFrontend.GET_FEATURES));
        assertEquals(TestDevice.FEATURES | PROTOCOL, raw.askU64(RawFrontend.GET_FEATURES));
    }

    @Test
    void setFeaturesTellsTheDevice() {
        raw.send(RawFrontend.SET_FEATURES, bytes(1L << 32 | 0x40 | PROTOCOL));
        raw.askU64(RawFrontend.GET_FEATURES);
        assertEquals(1L << 32 | 0x40, lab.device.negotiated);
    }

    @Test
    void getProtocolFeaturesIsLegalBeforeSetFeatures() {
        long expected = TestGuest.ALL_PROTOCOL | 1 << 2 | 1 << 4;
        assertEquals(expected, raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES));
    }

    @Test
    void replyAckWorksForWhoNeverAskedForTheOffer() {
        setProtocol(1 << 3);
        raw.ok(RawFrontend.SET_OWNER, bytes());
    }

    @Test
    void needReplyWithoutReplyAckIsIgnored() {
        raw.sendBytes(message(RawFrontend.SET_OWNER, 1 | 8, bytes()));
        raw.askU64(RawFrontend.GET_FEATURES);
    }

    @Test
    void aRequestWithItsOwnReplyIsAnsweredOnce() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        raw.sendBytes(message(RawFrontend.GET_FEATURES, 1 | 8, bytes()));
        raw.receive(RawFrontend.GET_FEATURES);
        raw.sendBytes(message(RawFrontend.GET_QUEUE_NUM, 1 | 8, bytes()));
        assertEquals(2, raw.receive(RawFrontend.GET_QUEUE_NUM).u64());
        assertEquals(-Errno.ETIMEDOUT, raw.socket().awaitReadable(20));
    }

    @Test
    void setProtocolFeaturesItselfCanBeAcknowledged() {
        assertEquals(0, raw.acked(RawFrontend.SET_PROTOCOL_FEATURES, bytes(1L << 3)));
    }

    @Test
    void resetOwnerKeepsTheSession() {
        guest.setUp(0, 8);
        raw.ok(RawFrontend.RESET_OWNER, bytes());
        guest.exchange(0);
    }

    @Test
    void setLogFdIsTakenAndClosed() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        // Who answers has accepted the connection, whose descriptor counts.
        raw.askU64(RawFrontend.GET_FEATURES);
        int before = Fd.openCount();
        raw.ok(RawFrontend.SET_LOG_FD, bytes(), guest.calls[0].fd().value());
        BackendLab.await("the descriptor's end", () -> Fd.openCount() <= before);
    }

    @Test
    void getQueueNumAndMemorySlots() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        assertEquals(2, raw.askU64(RawFrontend.GET_QUEUE_NUM));
        assertEquals(509, raw.askU64(RawFrontend.GET_MAX_MEM_SLOTS));
    }

    private static byte[] configRequest(int offset, int size) {
        return bytes(offset, size, 0, new byte[size]);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 24, 60, 256})
    void getConfigRepliesWithExactlyTheSizeAskedFor(int size) {
        setProtocol(TestGuest.ALL_PROTOCOL);
        ByteBuffer reply = raw.ask(RawFrontend.GET_CONFIG, configRequest(0, size)).payload();
        assertEquals(12 + size, reply.limit());
        assertEquals(size, reply.getInt(4));
        for (int i = 0; i < size; i++) {
            assertEquals(i < TestDevice.CONFIG_BYTES ? i + 1 : 0, reply.get(12 + i), "byte " + i);
        }
    }

    @Test
    void getConfigFromTheMiddleAndPastTheEnd() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        assertEquals(21, raw.ask(RawFrontend.GET_CONFIG, configRequest(20, 8)).payload().get(12));
        assertEquals(0, raw.ask(RawFrontend.GET_CONFIG, configRequest(200, 56)).payload().get(12));
        // An empty reply is how this request fails; the connection goes on.
        assertEquals(0, raw.ask(RawFrontend.GET_CONFIG, configRequest(200, 57)).payload().limit());
        assertEquals(0, raw.ask(RawFrontend.GET_CONFIG, configRequest(-1, 4)).payload().limit());
        assertEquals(0, raw.ask(RawFrontend.GET_CONFIG, configRequest(0, 0)).payload().limit());
        raw.askU64(RawFrontend.GET_FEATURES);
    }

    private static byte[] configWrite(int offset, int flags, int value) {
        return bytes(offset, 1, flags, (byte) value);
    }

    @Test
    void setConfigWritesWhatTheDeviceLetsItWrite() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        assertEquals(0, raw.acked(RawFrontend.SET_CONFIG, configWrite(TestDevice.WRITABLE_BYTE, 0, 99)));
        assertEquals(99, lab.device.config[TestDevice.WRITABLE_BYTE]);
        assertEquals(1, raw.acked(RawFrontend.SET_CONFIG, configWrite(0, 0, 99)), "a read-only field");
        assertEquals(0, raw.acked(RawFrontend.SET_CONFIG, configWrite(0, 1, 99)), "the same in a migration");
        assertEquals(1, raw.acked(RawFrontend.SET_CONFIG, configWrite(24, 1, 99)), "past the end");
        assertEquals(1, raw.acked(RawFrontend.SET_CONFIG, configWrite(-1, 1, 99)), "before the start");
    }

    @Test
    void configChangesReachTheFrontendOnItsChannel() {
        UnixSocket[] channel = UnixSocket.pair();
        try (RawFrontend back = new RawFrontend(channel[1])) {
            setProtocol(TestGuest.ALL_PROTOCOL);
            raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), channel[0].fd().value());
            channel[0].close();
            lab.device.events.configChanged();
            // A suspended device must not speak: all its rings are stopped.
            assertEquals(-Errno.ETIMEDOUT, back.socket().awaitReadable(20));
            guest.setUp(0, 8);
            assertEquals(List.of(2, 1, 0), receiveHeader(back));
            lab.device.events.configChanged();
            assertEquals(List.of(2, 1, 0), receiveHeader(back));
        }
    }

    /** Cloud Hypervisor sends the channel last, when rings are running. */
    @Test
    void aConfigChangeBeforeTheChannelIsToldOnIt() {
        guest.setUp(0, 8);
        lab.device.events.configChanged();
        // Who answers has taken note of the change.
        guest.exchange(0);
        raw.askU64(RawFrontend.GET_FEATURES);
        UnixSocket[] channel = UnixSocket.pair();
        try (RawFrontend back = new RawFrontend(channel[1])) {
            raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), channel[0].fd().value());
            channel[0].close();
            assertEquals(List.of(2, 1, 0), receiveHeader(back));
        }
    }

    private static List<Integer> receiveHeader(RawFrontend back) {
        try (io.gatun.linux.Mapping buffer = io.gatun.linux.Mapping.anonymous(4096)) {
            assertEquals(12, back.socket().receiveFully(buffer.address(), 12, new int[1], 5000));
            return List.of(
                    io.gatun.linux.Memory.getInt(buffer.address()),
                    io.gatun.linux.Memory.getInt(buffer.address() + 4),
                    io.gatun.linux.Memory.getInt(buffer.address() + 8));
        }
    }

    @Test
    void aChannelThatIsNoSocketOrHasEndedIsHarmless() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), guest.file.fd().value());
        guest.setUp(0, 8);
        lab.device.events.configChanged();
        UnixSocket[] channel = UnixSocket.pair();
        raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), channel[0].fd().value());
        channel[0].close();
        channel[1].close();
        lab.device.events.configChanged();
        lab.device.events.configChanged();
        guest.exchange(0);
    }

    @Test
    void statusIsRememberedAndZeroResets() {
        guest.setUp(0, 8);
        raw.ok(RawFrontend.SET_STATUS, bytes(15L));
        assertEquals(15, raw.askU64(RawFrontend.GET_STATUS));
        raw.ok(RawFrontend.SET_STATUS, bytes(0L));
        assertEquals(0, raw.askU64(RawFrontend.GET_STATUS));
        assertTrue(lab.device.log.contains("reset"));
        assertFalse(lab.backend.rings().getFirst().started());
    }

    @Test
    void resetDeviceStopsAndDisablesRingsAndKeepsTheConnection() {
        guest.setUp(0, 8);
        guest.exchange(0);
        raw.ok(RawFrontend.RESET_DEVICE, bytes());
        assertEquals(List.of("reset"), lab.device.log);
        VringStatus ring = lab.backend.rings().getFirst();
        assertFalse(ring.started() || ring.enabled());
        assertEquals(0, ring.size());
        // Memory and the call descriptor stay: front-ends send them once.
        raw.ok(RawFrontend.SET_FEATURES, bytes(guest.features | PROTOCOL));
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
        guest.setKick(0);
        guest.enable(0, 1);
        guest.exchange(0);
    }

    @Test
    void networkMessagesReachADeviceThatHasThem() {
        setProtocol(1 << 3 | 1 << 2 | 1 << 4);
        assertEquals(0, raw.acked(RawFrontend.NET_SET_MTU, bytes(1500L)));
        assertEquals(1, raw.acked(RawFrontend.NET_SET_MTU, bytes(10L)));
        assertEquals(1, raw.acked(RawFrontend.NET_SET_MTU, bytes(-1L)));
        assertEquals(0, raw.acked(RawFrontend.SEND_RARP, bytes(0x665544332211L)));
        assertEquals(List.of("mtu 1500", "mtu 10", "announce 6"), lab.device.log);
    }

    @Test
    void inflightBufferIsMadeAndTakenBack() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        guest.negotiate();
        RawFrontend.Reply reply = raw.ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) 2, (short) 128, 0));
        assertEquals(24, reply.payload().limit(), "C pads the description");
        long length = reply.payload().getLong(0);
        long perQueue = 16 + 128 * 16;
        assertTrue(length >= 2 * perQueue, "length " + length);
        assertEquals(0, reply.payload().getLong(8));
        assertEquals(2, reply.payload().getShort(16));
        assertEquals(128, reply.payload().getShort(18));
        try (Fd file = reply.descriptors().getFirst()) {
            assertTrue(FileStatus.of(file).lengthBytes() >= length);
            byte[] padded = bytes(length, 0L, (short) 2, (short) 128, 0);
            raw.ok(RawFrontend.SET_INFLIGHT_FD, padded, file.value());
            byte[] unpadded = bytes(length, 0L, (short) 2, (short) 128);
            raw.ok(RawFrontend.SET_INFLIGHT_FD, unpadded, file.value());
        }
        guest.setUp(0, 128);
        guest.exchange(0);
    }

    @Test
    void whatTheDriverSetIsKeptInTheInflightBuffer() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        guest.negotiate();
        RawFrontend.Reply reply = raw.ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) 2, (short) 128, 0));
        byte[] described = bytes(reply.payload().getLong(0), 0L, (short) 2, (short) 128, 0);
        try (Fd file = reply.descriptors().getFirst()) {
            raw.ok(RawFrontend.SET_INFLIGHT_FD, described, file.value());
            assertEquals(0, raw.acked(RawFrontend.SET_CONFIG, configWrite(TestDevice.WRITABLE_BYTE, 0, 99)));
            // A successor of this process knows nothing of it, and the front-end does not repeat it.
            lab.device.config[TestDevice.WRITABLE_BYTE] = 1;
            raw.ok(RawFrontend.SET_INFLIGHT_FD, described, file.value());
            assertEquals(99, lab.device.config[TestDevice.WRITABLE_BYTE]);
        }
    }

    @Test
    void anInflightBufferOfAnotherBackendSaysNothingOfTheDriver() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        guest.negotiate();
        // Two rings of 126 take 4096 bytes: there is room for nothing else.
        try (MemoryFile file = MemoryFile.create("foreign", 4096)) {
            byte[] described = bytes(4096L, 0L, (short) 2, (short) 126, 0);
            raw.ok(RawFrontend.SET_INFLIGHT_FD, described, file.fd().value());
            assertEquals(0, raw.acked(RawFrontend.SET_CONFIG, configWrite(TestDevice.WRITABLE_BYTE, 0, 99)));
            lab.device.config[TestDevice.WRITABLE_BYTE] = 1;
            raw.ok(RawFrontend.SET_INFLIGHT_FD, described, file.fd().value());
            assertEquals(1, lab.device.config[TestDevice.WRITABLE_BYTE]);
        }
    }

    @Test
    void anInflightBufferAskedForAgainAndAgain() {
        guest.negotiate();
        int descriptors = Fd.openCount();
        for (int i = 0; i < 200; i++) {
            raw.ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) 1024, (short) 1024, 0))
                    .descriptors()
                    .forEach(Fd::close);
        }
        // A reply is under way before its descriptor is closed; the next one comes after.
        raw.askU64(RawFrontend.GET_FEATURES);
        assertEquals(descriptors, Fd.openCount());
    }

    @Test
    void remMemRegMayCarryADescriptor() {
        guest.negotiate();
        int before = Fd.openCount();
        raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, TestGuest.wholeMemory()), guest.file.fd().value());
        raw.ok(RawFrontend.REM_MEM_REG, bytes(0L, TestGuest.wholeMemory()), guest.file.fd().value());
        assertEquals(before, Fd.openCount());
    }

    @Test
    void acceptsATableOfEightSlotsWithOneInUse() {
        guest.negotiate();
        byte[] table = bytes(1, 0, TestGuest.wholeMemory(), new byte[7 * 32]);
        raw.ok(RawFrontend.SET_MEM_TABLE, table, guest.file.fd().value());
        guest.startRing(0, 8);
        guest.enable(0, 1);
        guest.exchange(0);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5, 11, 13, 19})
    void messagesMayBeCutAnywhere(int piece) {
        byte[] two = bytes(
                message(RawFrontend.GET_FEATURES, 1, bytes()),
                message(RawFrontend.SET_FEATURES, 1, bytes(1L << 32)),
                message(RawFrontend.GET_FEATURES, 1, bytes()));
        for (int at = 0; at < two.length; at += piece) {
            raw.sendBytes(java.util.Arrays.copyOfRange(two, at, Math.min(two.length, at + piece)));
            java.util.concurrent.locks.LockSupport.parkNanos(200_000);
        }
        raw.receive(RawFrontend.GET_FEATURES);
        raw.receive(RawFrontend.GET_FEATURES);
        assertEquals(1L << 32, lab.device.negotiated);
    }

    @Test
    void descriptorsComeWithTheFirstByteOfACutMessage() {
        setProtocol(TestGuest.ALL_PROTOCOL);
        byte[] call = message(RawFrontend.SET_VRING_CALL, 1 | 8, bytes(0L));
        raw.sendBytes(java.util.Arrays.copyOf(call, 1), guest.calls[0].fd().value());
        raw.sendBytes(java.util.Arrays.copyOfRange(call, 1, call.length));
        assertEquals(0, raw.receive(RawFrontend.SET_VRING_CALL).u64());
    }

    @Test
    void manyMessagesInOneWrite() {
        byte[] many = new byte[0];
        for (int i = 0; i < 100; i++) {
            many = bytes(many, message(RawFrontend.GET_FEATURES, 1, bytes()));
        }
        raw.sendBytes(many);
        for (int i = 0; i < 100; i++) {
            raw.receive(RawFrontend.GET_FEATURES);
        }
    }
}
