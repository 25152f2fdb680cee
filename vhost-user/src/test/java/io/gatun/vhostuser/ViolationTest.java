package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static io.gatun.vhostuser.RawFrontend.message;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.UnixSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a front-end must not do: framing, descriptors, features and rings. */
@Timeout(30)
class ViolationTest extends OffendingFrontend {
    private static final long PROTOCOL = 1L << 30;

    // Framing.

    @Test
    void aVersionOtherThanOne() {
        raw.sendBytes(message(RawFrontend.GET_FEATURES, 2, bytes()));
    }

    @Test
    void aReplyInsteadOfARequest() {
        raw.sendBytes(message(RawFrontend.GET_FEATURES, 5, bytes()));
    }

    @Test
    void unknownFlags() {
        raw.sendBytes(message(RawFrontend.GET_FEATURES, 0x11, bytes()));
    }

    @ParameterizedTest
    @ValueSource(ints = {4097, Integer.MAX_VALUE, -1, Integer.MIN_VALUE})
    void aSizeThatNoMessageHas(int size) {
        raw.sendBytes(bytes(RawFrontend.GET_FEATURES, 1, size));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 33, 35, 41, 44, 45, 1000, -1})
    void anUnknownRequest(int request) {
        raw.sendBytes(message(request, 1, bytes()));
    }

    @ParameterizedTest
    @ValueSource(ints = {22, 26, 27, 28, 29, 30})
    void aRequestOfAFeatureThatIsNotOffered(int request) {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        int size = request == 22 ? 32 : request == 26 || request == 27 ? 8 : 0;
        raw.send(request, new byte[size]);
    }

    @ParameterizedTest
    @ValueSource(ints = {17, 21, 24, 25, 31, 32, 34, 36, 37, 38, 39, 40, 19, 20, 23})
    void aRequestOfAFeatureThatWasNotSet(int request) {
        byte[] payload =
                switch (request) {
                    case 24, 25 -> bytes(0, 1, 0, (byte) 0);
                    case 31, 32 -> new byte[24];
                    case 37, 38 -> new byte[40];
                    case 19, 20, 23, 39 -> new byte[8];
                    default -> new byte[0];
                };
        raw.send(request, payload);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 8, 9, 10, 11, 12, 15, 16, 17, 18, 24, 31, 34, 36, 37, 39, 40})
    void aPayloadOfTheWrongSize(int request) {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        raw.send(request, new byte[9]);
    }

    @Test
    void aMessageThatIsCutShort() {
        raw.sendBytes(Arrays.copyOf(message(RawFrontend.SET_FEATURES, 1, bytes(1L << 32)), 15));
        assertEquals(0, raw.socket().shutdown());
    }

    // Descriptors.

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8, 9, 10, 11, 15, 16, 18, 24, 39, 40})
    void aDescriptorOnAMessageThatTakesNone(int request) {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        byte[] payload =
                switch (request) {
                    case 2, 8, 10, 11, 16, 18, 39 -> new byte[8];
                    case 9 -> new byte[40];
                    case 24 -> bytes(0, 1, 0, (byte) 0);
                    default -> new byte[0];
                };
        raw.send(request, payload, guest.calls[0].fd().value());
    }

    @Test
    void moreDescriptorsThanAnyMessageCarries() {
        int[] many = new int[UnixSocket.MAX_FDS];
        Arrays.fill(many, guest.calls[0].fd().value());
        raw.send(RawFrontend.GET_FEATURES, bytes(), many);
    }

    @Test
    void descriptorsInTheMiddleOfAMessage() {
        byte[] call = message(RawFrontend.SET_VRING_CALL, 1, bytes(0L));
        // The header is read by itself; within what is read at once nobody can tell where the descriptors were.
        raw.sendBytes(Arrays.copyOf(call, 12));
        raw.trySendBytes(Arrays.copyOfRange(call, 12, call.length), guest.calls[0].fd().value());
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13, 14})
    void aVringDescriptorThatIsMissing(int request) {
        guest.negotiate();
        refused(request, bytes(0L));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13, 14})
    void aVringDescriptorThatIsSaidToBeMissing(int request) {
        guest.negotiate();
        refused(request, bytes(0x100L), guest.calls[0].fd().value());
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "memory", "socket", "pipe"})
    void aKickThatIsNoEventfd(String kind) throws Exception {
        setUpButForTheKick();
        notAnEventFd(RawFrontend.SET_VRING_KICK, kind);
    }

    @ParameterizedTest
    @ValueSource(strings = {"file", "memory", "socket", "pipe"})
    void aCallThatIsNoEventfd(String kind) throws Exception {
        guest.negotiate();
        notAnEventFd(RawFrontend.SET_VRING_CALL, kind);
    }

    @Test
    void anErrorDescriptorThatIsNoEventfd() throws Exception {
        guest.negotiate();
        notAnEventFd(RawFrontend.SET_VRING_ERR, "pipe");
    }

    private void notAnEventFd(int request, String kind) throws Exception {
        Path path = lab.folder.resolve("file");
        switch (kind) {
            case "file" -> {
                try (Fd file = FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_CREAT, 0600)) {
                    refused(request, bytes(0L), file.value());
                }
                assertEquals(0, Files.size(path), "the file was written to");
                Files.delete(path);
            }
            case "memory" -> refused(request, bytes(0L), guest.file.fd().value());
            case "socket" -> {
                UnixSocket[] pair = UnixSocket.pair();
                refused(request, bytes(0L), pair[0].fd().value());
                pair[0].close();
                pair[1].close();
            }
            default -> {
                Process mkfifo = new ProcessBuilder("mkfifo", path.toString()).start();
                assertEquals(0, mkfifo.waitFor());
                try (Fd fifo = FileIo.open(path.toString(), FileIo.O_RDWR, 0)) {
                    refused(request, bytes(0L), fifo.value());
                }
                Files.delete(path);
            }
        }
    }

    // Features.

    @Test
    void featuresThatWereNotOffered() {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        refused(RawFrontend.SET_FEATURES, bytes(PROTOCOL | 1L << 33));
    }

    @Test
    void dirtyLoggingWhichIsNotOffered() {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        refused(RawFrontend.SET_FEATURES, bytes(PROTOCOL | 1L << 26));
    }

    @ParameterizedTest
    @ValueSource(longs = {1 << 1, 1 << 8, 1 << 14, 1 << 17, 1L << 20, 1L << 21, 1L << 63})
    void protocolFeaturesThatWereNotOffered(long feature) {
        raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(feature));
    }

    @Test
    void featuresThatChangeWhileARingRuns() {
        guest.setUp(0, 8);
        refused(RawFrontend.SET_FEATURES, bytes(PROTOCOL | guest.features | 0x40));
    }

    // Rings.

    @ParameterizedTest
    @ValueSource(ints = {8, 10, 11, 18})
    void aRingThatTheDeviceDoesNotHave(int request) {
        guest.negotiate();
        if (request == RawFrontend.GET_VRING_BASE) {
            raw.send(request, bytes(2, 0));
        } else {
            refused(request, bytes(2, 8));
        }
    }

    @Test
    void aRingWithANegativeIndex() {
        guest.negotiate();
        refused(RawFrontend.SET_VRING_NUM, bytes(-1, 8));
    }

    @ParameterizedTest
    @ValueSource(ints = {12, 13, 14})
    void aDescriptorForARingThatTheDeviceDoesNotHave(int request) {
        guest.negotiate();
        refused(request, bytes(255L), guest.calls[0].fd().value());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 65536, -1, 32769})
    void aRingOfAnImpossibleSize(int size) {
        guest.negotiate();
        refused(RawFrontend.SET_VRING_NUM, bytes(0, size));
    }

    @Test
    void aPackedRingOfAnImpossibleSize() {
        guest.features = 1L << 32 | 1L << 34;
        guest.negotiate();
        guest.setNum(0, 3);
        refused(RawFrontend.SET_VRING_NUM, bytes(0, 32769));
    }

    private static byte[] address(long descriptor, long used, long available, int flags) {
        return bytes(0, flags, descriptor, used, available, 0L);
    }

    @Test
    void ringAddressesThatAreNotAligned() {
        guest.negotiate();
        long base = TestGuest.USER_BASE;
        refused(RawFrontend.SET_VRING_ADDR, address(base + 8, base, base, 0));
    }

    @Test
    void unknownRingAddressFlags() {
        guest.negotiate();
        refused(RawFrontend.SET_VRING_ADDR, address(TestGuest.USER_BASE, TestGuest.USER_BASE, TestGuest.USER_BASE, 2));
    }

    @Test
    void ringLoggingWithoutDirtyLogging() {
        guest.negotiate();
        refused(RawFrontend.SET_VRING_ADDR, address(TestGuest.USER_BASE, TestGuest.USER_BASE, TestGuest.USER_BASE, 1));
    }

    private void refusedKickWith(byte[] address) {
        guest.negotiate();
        guest.shareMemory();
        guest.setNum(0, 8);
        raw.ok(RawFrontend.SET_VRING_ADDR, address);
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @Test
    void ringsOutsideOfMemory() {
        refusedKickWith(address(0x1000, TestGuest.USER_BASE, TestGuest.USER_BASE, 0));
    }

    @Test
    void ringsThatCrossTheEndOfMemory() {
        long end = TestGuest.USER_BASE + TestGuest.MEMORY_BYTES;
        refusedKickWith(address(end - 16, TestGuest.USER_BASE, TestGuest.USER_BASE, 0));
    }

    @Test
    void ringsWhoseAddressesWrapAround() {
        refusedKickWith(address(-16, TestGuest.USER_BASE, TestGuest.USER_BASE, 0));
    }

    @Test
    void aKickBeforeTheAddresses() {
        guest.negotiate();
        guest.shareMemory();
        guest.setNum(0, 8);
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @Test
    void aKickBeforeTheSize() {
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.setAddress(0);
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @Test
    void aKickBeforeTheMemory() {
        guest.negotiate();
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
        refused(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
    }

    @ParameterizedTest
    @ValueSource(ints = {8, 9, 10})
    void aRunningRingThatIsChanged(int request) {
        guest.setUp(0, 8);
        byte[] payload =
                switch (request) {
                    case 8 -> bytes(0, 16);
                    case 9 -> address(TestGuest.USER_BASE, TestGuest.USER_BASE, TestGuest.USER_BASE, 0);
                    default -> bytes(0, 1);
                };
        refused(request, payload);
    }
}
