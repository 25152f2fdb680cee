package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static io.gatun.vhostuser.RawFrontend.message;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.linux.UnixSocket;
import io.gatun.testkit.Fuzz;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Front-ends and guests that mean harm, beside a neighbour that must not notice. Longer than a file should be: every
 * attack is made against the same back-end with the same neighbour, which set-up and tear-down here make and judge.
 */
@Timeout(60)
class HostileFrontendTest {
    private final BackendLab lab = new BackendLab(BackendOptions.DEFAULT.withMessageSeconds(1));
    private final TestGuest neighbour = TestGuest.connect(lab.neighbourBackend.socket());

    HostileFrontendTest() {
        neighbour.setUp(0, 8);
        neighbour.exchange(0);
    }

    @AfterEach
    void theNeighbourIsServedAndNothingLeaks() {
        neighbour.exchange(0);
        neighbour.close();
        lab.device.hold = false;
        lab.assertReleased();
        lab.close();
    }

    private TestGuest connect() {
        return TestGuest.connect(lab.backend.socket());
    }

    /** Every step of a handshake, from nothing to a request in flight. */
    private static List<Consumer<TestGuest>> steps() {
        List<Consumer<TestGuest>> steps = new ArrayList<>();
        steps.add(g -> g.raw.askU64(RawFrontend.GET_FEATURES));
        steps.add(g -> g.raw.askU64(RawFrontend.GET_PROTOCOL_FEATURES));
        steps.add(TestGuest::negotiate);
        steps.add(g -> {
            UnixSocket[] pair = UnixSocket.pair();
            g.raw.ok(RawFrontend.SET_BACKEND_REQ_FD, bytes(), pair[0].fd().value());
            pair[0].close();
            pair[1].close();
        });
        steps.add(g -> g.raw
                .ask(RawFrontend.GET_INFLIGHT_FD, bytes(0L, 0L, (short) 2, (short) 8, 0))
                .descriptors()
                .forEach(Fd::close));
        steps.add(TestGuest::shareMemory);
        steps.add(g -> g.makeQueue(0, 8));
        steps.add(g -> g.setNum(0, 8));
        steps.add(g -> g.setBase(0, g.isPacked() ? 0x8000_8000 : 0));
        steps.add(g -> g.setAddress(0));
        steps.add(g -> g.setCall(0));
        steps.add(g -> g.setError(0));
        steps.add(g -> g.setKick(0));
        steps.add(g -> g.enable(0, 1));
        steps.add(g -> g.exchange(0));
        steps.add(g -> g.startRing(1, 8));
        steps.add(g -> g.offer(0));
        steps.add(TestGuest::shareMemory);
        steps.add(g -> g.stop(0));
        return steps;
    }

    @Test
    void disconnectingAfterEveryStepOfTheHandshake() {
        int count = steps().size();
        for (int last = 0; last <= count; last++) {
            try (TestGuest guest = connect()) {
                for (Consumer<TestGuest> step : steps().subList(0, last)) {
                    step.accept(guest);
                }
            }
            BackendLab.await("the end of connection " + last, () -> !lab.backend.connected());
        }
    }

    @Test
    void disconnectingWithoutReadingAnyReply() {
        for (int i = 0; i < 20; i++) {
            try (TestGuest guest = connect()) {
                guest.negotiate();
                guest.shareMemory();
                guest.startRing(0, 8);
                guest.raw.send(RawFrontend.GET_VRING_BASE, bytes(0, 0));
                guest.raw.send(RawFrontend.GET_FEATURES, bytes());
            }
        }
    }

    @Test
    void aHeaderThatIsNeverFinishedEndsAfterATime() {
        try (TestGuest guest = connect()) {
            guest.raw.sendBytes(new byte[] {1, 0, 0});
            guest.raw.assertEnded();
        }
        // Silence between messages is no offence.
        try (TestGuest guest = connect()) {
            guest.negotiate();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1200));
            guest.raw.askU64(RawFrontend.GET_FEATURES);
        }
    }

    @Test
    void aFloodOfStopsWhoseRepliesNobodyReads() {
        try (TestGuest guest = connect()) {
            guest.setUp(0, 8);
            byte[] flood = new byte[0];
            for (int i = 0; i < 300; i++) {
                flood = bytes(flood, message(RawFrontend.GET_VRING_BASE, 1, bytes(0, 0)));
            }
            Memory.copyFromArray(flood, 0, guest.memory.address() + (900 << 10), flood.length);
            int sent = 0;
            // Until neither side's socket buffer takes any more: the back-end must have stopped reading.
            for (int stuck = 0; stuck < 20; ) {
                int result = guest.raw.socket().send(guest.memory.address() + (900 << 10), flood.length, null, 0);
                stuck = result == -Errno.EAGAIN ? stuck + 1 : 0;
                sent += Math.max(0, result);
                if (result == -Errno.EAGAIN) {
                    LockSupport.parkNanos(5_000_000);
                }
            }
            assertTrue(sent > 0);
            neighbour.exchange(0);
        }
    }

    @Test
    void aGuestWhoseDescriptorPointsOutsideOfMemory() {
        try (TestGuest guest = connect()) {
            guest.setUp(0, 8);
            guest.exchange(0);
            guest.offerAt(0, 0x1000, 512);
            guest.awaitError(0);
            // The connection lives, and the guest may reset the ring.
            assertEquals(1, lab.backend.rings().getFirst().counters().broken());
            guest.stop(0);
            guest.startRing(0, 8);
            guest.exchange(0);
        }
    }

    @Test
    void aGuestWhoseAvailableIndexJumps() {
        try (TestGuest guest = connect()) {
            guest.setUp(0, 8);
            Memory.putShort(guest.memory.address() + (guest.queues[0].availAddress() - TestGuest.USER_BASE) + 2, 1000);
            guest.kicks[0].signal();
            guest.awaitError(0);
        }
    }

    /** Small files have their pages dropped by a truncation: the next touch is a fault, not an old page. */
    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 32 | 1L << 34, 1L << 32 | 1L << 29})
    void memoryThatVanishesUnderARunningRing(long features) {
        try (TestGuest guest = connect()) {
            guest.features = features;
            guest.setUp(0, 8);
            guest.exchange(0);
            neighbour.exchange(0);
            assertEquals(0, guest.file.setLength(0));
            guest.kicks[0].signal();
            guest.awaitError(0);
            neighbour.exchange(0);
            assertTrue(lab.backend.connected());
            BackendLab.await("status", () -> lab.backend.rings().getFirst().broken() != null);
            guest.stop(0);
        }
    }

    @Test
    void buffersThatVanishUnderARequest() {
        try (TestGuest guest = connect();
                MemoryFile more = MemoryFile.create("more", 4096)) {
            guest.setUp(0, 8);
            guest.exchange(0);
            byte[] region = TestGuest.region(0x9000_0000L, 4096, 0x9000_0000L, 0);
            guest.raw.ok(RawFrontend.ADD_MEM_REG, bytes(0L, region), more.fd().value());
            assertEquals(0, more.setLength(0));
            guest.offerAt(0, 0x9000_0000L, 4096);
            guest.awaitError(0);
            neighbour.exchange(0);
            guest.stop(0);
        }
    }

    @Test
    void inflightMemoryThatVanishes() {
        try (TestGuest guest = connect();
                MemoryFile inflight = MemoryFile.create("inflight", 8192)) {
            guest.negotiate();
            guest.shareMemory();
            guest.raw.ok(
                    RawFrontend.SET_INFLIGHT_FD,
                    bytes(8192L, 0L, (short) 2, (short) 8, 0),
                    inflight.fd().value());
            guest.startRing(0, 8);
            guest.enable(0, 1);
            guest.exchange(0);
            assertEquals(0, inflight.setLength(0));
            guest.offer(0);
            guest.awaitError(0);
            neighbour.exchange(0);
        }
    }

    @Test
    void memoryThatIsNotSealedIsRefusedOnDemand() {
        try (VhostUserBackend strict = VhostUserBackend.listen(
                        lab.loop,
                        lab.folder.resolve("c.sock"),
                        new TestDevice(1),
                        lab.reactors,
                        BackendOptions.DEFAULT.withRequireSealedMemory(true));
                TestGuest guest = TestGuest.connect(strict.socket())) {
            guest.negotiate();
            int fd = guest.file.fd().value();
            assertEquals(1, guest.raw.acked(RawFrontend.SET_MEM_TABLE, bytes(1, 0, TestGuest.wholeMemory()), fd));
            guest.raw.assertEnded();
            try (TestGuest sealed = TestGuest.connect(strict.socket())) {
                sealed.file.addSeals(MemoryFile.SEAL_SHRINK);
                sealed.setUp(0, 8);
                sealed.exchange(0);
            }
        }
    }

    @Test
    void randomBytesEndTheConnectionAndNothingElse() {
        Fuzz.rounds(this::sendBytes);
    }

    @Test
    void randomMessagesEndTheConnectionAndNothingElse() {
        Fuzz.rounds(this::sendMessages);
    }

    @Tag("fuzz")
    @FuzzTest
    @Timeout(value = 1, unit = TimeUnit.DAYS)
    void fuzzBytes(byte[] input) {
        sendBytes(Fuzz.choices(input));
    }

    @Tag("fuzz")
    @FuzzTest
    @Timeout(value = 1, unit = TimeUnit.DAYS)
    void fuzzMessages(byte[] input) {
        sendMessages(Fuzz.choices(input));
    }

    /** As many steps of a handshake as may be, and then bytes without a meaning. */
    private void sendBytes(RandomGenerator random) {
        try (TestGuest guest = connect()) {
            handshake(guest, random);
            byte[] noise = new byte[random.nextInt(300)];
            random.nextBytes(noise);
            guest.raw.trySendBytes(noise);
        }
    }

    /** As many steps of a handshake as may be, and then legal headers with random payloads and descriptors. */
    private void sendMessages(RandomGenerator random) {
        try (TestGuest guest = connect()) {
            handshake(guest, random);
            for (int i = 0; i < 8; i++) {
                sendAnything(guest, random);
            }
            // Without a pause the connection often ends before the back-end has read anything.
            LockSupport.parkNanos(random.nextInt(2_000_000));
        }
    }

    private static void handshake(TestGuest guest, RandomGenerator random) {
        guest.features = random.nextBoolean() ? 1L << 32 : 1L << 32 | 1L << 34;
        List<Consumer<TestGuest>> steps = steps();
        steps.subList(0, random.nextInt(steps.size() + 1)).forEach(step -> step.accept(guest));
    }

    private static void sendAnything(TestGuest guest, RandomGenerator random) {
        int request = 1 + random.nextInt(42);
        byte[] payload = new byte[random.nextInt(4) == 0 ? random.nextInt(80) : plausibleSize(request)];
        for (int at = 0; at < payload.length; at++) {
            payload[at] = (byte) (random.nextInt(3) == 0 ? random.nextInt(256) : 0);
        }
        int[] fds = new int[random.nextInt(3)];
        Arrays.fill(fds, random.nextBoolean() ? guest.file.fd().value() : guest.calls[0].fd().value());
        guest.raw.trySendBytes(message(request, 1 | random.nextInt(2) * 8, payload), fds);
    }

    private static int plausibleSize(int request) {
        return switch (request) {
            case 2, 8, 10, 11, 12, 13, 14, 16, 18, 39 -> 8;
            case 5, 9, 37, 38 -> 40;
            case 24, 25 -> 20;
            case 31, 32 -> 24;
            default -> 0;
        };
    }

    /** The eventfd is the front-end's too: it makes it blocking again and fills its counter. */
    @Test
    void aCallDescriptorThatBlocksWhoeverSignalsIt() throws Throwable {
        try (TestGuest guest = connect();
                Mapping count = Mapping.anonymous(4096)) {
            guest.setUp(0, 8);
            guest.exchange(0);
            block(guest.calls[0], count);
            guest.offer(0);
            guest.raw.assertEnded();
            // Both reactors serve: the neighbour's, and, on the next connection, the one that was blocked.
            neighbour.exchange(0);
        }
        try (TestGuest next = connect()) {
            next.setUp(0, 8);
            next.exchange(0);
        }
    }

    @Test
    void aCallDescriptorThatBlocksAndIsReplacedMeanwhile() throws Throwable {
        try (TestGuest guest = connect();
                Mapping count = Mapping.anonymous(4096)) {
            guest.setUp(0, 8);
            guest.exchange(0);
            block(guest.calls[0], count);
            guest.offer(0);
            BackendLab.await("the request", () -> guest.isFilled(0));
            guest.raw.send(
                    RawFrontend.SET_VRING_CALL, bytes(0L), guest.calls[1].fd().value());
            guest.raw.assertEnded();
        }
        try (TestGuest next = connect()) {
            next.setUp(0, 8);
            next.exchange(0);
        }
    }

    /** A ring with a history in its in-flight buffer calls when it starts. */
    @Test
    void aCallDescriptorThatBlocksTheStartOfARing() throws Throwable {
        try (TestGuest guest = connect();
                MemoryFile inflight = MemoryFile.create("inflight", 8192);
                Mapping count = Mapping.anonymous(4096)) {
            guest.negotiate();
            guest.shareMemory();
            guest.raw.ok(
                    RawFrontend.SET_INFLIGHT_FD,
                    bytes(8192L, 0L, (short) 2, (short) 8, 0),
                    inflight.fd().value());
            guest.startRing(0, 8);
            guest.enable(0, 1);
            guest.exchange(0);
            guest.stop(0);
            block(guest.calls[0], count);
            guest.raw.send(
                    RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value());
            guest.raw.assertEnded();
        }
        try (TestGuest next = connect()) {
            next.setUp(0, 8);
            next.exchange(0);
        }
    }

    private static void block(EventFd call, Mapping count) throws Throwable {
        call.drain();
        Memory.putLong(count.address(), -2);
        assertEquals(8, FileIo.write(call.fd().value(), count.address(), 8));
        makeBlocking(call.fd());
    }

    @SuppressWarnings("restricted") // The linux module has no reason to offer this.
    private static void makeBlocking(Fd fd) throws Throwable {
        Linker linker = Linker.nativeLinker();
        MethodHandle fcntl = linker.downcallHandle(
                linker.defaultLookup().find("fcntl").orElseThrow(),
                FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT),
                Linker.Option.firstVariadicArg(2));
        int setFlags = 4;
        assertEquals(0, (int) fcntl.invokeExact(fd.value(), setFlags, 0));
    }

    @Test
    void aRingThatNeverDrainsEndsItsConnectionAndKeepsItsMemory() {
        TestDevice stuck = new TestDevice(1);
        stuck.hold = true;
        try (VhostUserBackend backend = VhostUserBackend.listen(
                        lab.loop,
                        lab.folder.resolve("c.sock"),
                        stuck,
                        lab.reactors,
                        BackendOptions.DEFAULT.withDrainSeconds(1));
                TestGuest guest = TestGuest.connect(backend.socket())) {
            guest.setUp(0, 8);
            guest.offer(0);
            BackendLab.await("the request", () -> stuck.inFlight() == 1);
            guest.raw.send(RawFrontend.GET_VRING_BASE, bytes(0, 0));
            guest.raw.assertEnded();
            neighbour.exchange(0);
            assertFalse(backend.connected());
            assertEquals(1, stuck.openHandlers.get());
            stuck.hold = false;
            BackendLab.await("release", () -> stuck.events == null);
            assertEquals(0, stuck.openHandlers.get());
        }
    }
}
