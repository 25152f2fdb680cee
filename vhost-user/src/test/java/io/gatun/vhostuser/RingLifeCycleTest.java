package io.gatun.vhostuser;

import static io.gatun.vhostuser.RawFrontend.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Mapping;
import io.gatun.reactor.Reactor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rings are started or stopped, and enabled or disabled, independently (vhost-user, "Ring states"). */
@Timeout(30)
class RingLifeCycleTest {
    private static final long NO_DESCRIPTOR = 0x100;

    private final BackendLab lab = new BackendLab();
    private final TestGuest guest = TestGuest.connect(lab.backend.socket());

    @AfterEach
    void nothingLeaks() {
        guest.close();
        lab.device.hold = false;
        lab.assertReleased();
        lab.close();
    }

    private static void whileNothingShouldHappen() {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(30));
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 32 | 1L << 29, 1L << 32 | 1L << 34, 1L << 32 | 1L << 34 | 1L << 29})
    void servesARing(long features) {
        guest.features = features;
        guest.setUp(0, 8);
        for (int i = 0; i < 40; i++) {
            guest.exchange(0);
        }
        VringStatus status = lab.backend.rings().getFirst();
        assertTrue(status.started());
        assertEquals(guest.isPacked(), status.packed());
        BackendLab.await("counters", () -> status.counters().chains() == 40);
        assertEquals(1, status.counters().starts());
        assertEquals(features, lab.device.negotiated);
    }

    @Test
    void startsWithTheKickDescriptorAndServesWhatIsThere() {
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.enable(0, 1);
        guest.setNum(0, 8);
        guest.setBase(0, 0);
        guest.setAddress(0);
        guest.setCall(0);
        guest.offer(0);
        guest.kicks[0].drain();
        whileNothingShouldHappen();
        assertFalse(guest.isFilled(0));
        guest.setKick(0);
        guest.awaitUsed(0);
    }

    @Test
    void pollsARingWithoutKickDescriptor() {
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
        guest.setCall(0);
        guest.raw.ok(RawFrontend.SET_VRING_KICK, bytes(NO_DESCRIPTOR));
        guest.enable(0, 1);
        for (int i = 0; i < 20; i++) {
            guest.exchange(0);
        }
    }

    @Test
    void takesNotificationDescriptorsBeforeAnythingElse() {
        guest.raw.askU64(RawFrontend.GET_FEATURES);
        for (int ring = 0; ring < 2; ring++) {
            guest.raw.send(RawFrontend.SET_VRING_CALL, bytes((long) ring), guest.calls[ring].fd().value());
            guest.raw.send(RawFrontend.SET_VRING_ERR, bytes((long) ring), guest.errors[ring].fd().value());
        }
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
        guest.setKick(0);
        guest.enable(0, 1);
        guest.exchange(0);
    }

    @Test
    void enablingIsSeparateFromStarting() {
        guest.negotiate();
        guest.shareMemory();
        guest.startRing(0, 8);
        guest.offer(0);
        whileNothingShouldHappen();
        assertFalse(guest.isFilled(0));
        guest.enable(0, 1);
        guest.awaitUsed(0);
        guest.enable(0, 0);
        guest.offer(0);
        whileNothingShouldHappen();
        assertFalse(guest.isFilled(0));
        // SPDK's initiator says yes with the size of the queue.
        guest.enable(0, 512);
        guest.awaitUsed(0);
    }

    @Test
    void withoutProtocolFeaturesRingsAreEnabledFromTheStart() {
        guest.raw.askU64(RawFrontend.GET_FEATURES);
        guest.raw.send(RawFrontend.SET_PROTOCOL_FEATURES, bytes(TestGuest.ALL_PROTOCOL));
        guest.raw.ok(RawFrontend.SET_FEATURES, bytes(1L << 32));
        guest.shareMemory();
        guest.startRing(0, 8);
        guest.exchange(0);
    }

    @Test
    void stoppingGivesTheBaseAndRestartingGoesOnThere() {
        guest.setUp(0, 8);
        for (int i = 0; i < 11; i++) {
            guest.exchange(0);
        }
        assertEquals(11, guest.stop(0));
        assertFalse(lab.backend.rings().getFirst().started());
        guest.offer(0);
        whileNothingShouldHappen();
        assertFalse(guest.isFilled(0));
        guest.setKick(0);
        guest.awaitUsed(0);
        assertEquals(12, guest.stop(0));
        assertEquals(2, lab.backend.rings().getFirst().counters().starts());
    }

    /** QEMU's {@code stop} and {@code cont} with STATUS: the status 0, only then GET_VRING_BASE, then all anew. */
    @ParameterizedTest
    @ValueSource(longs = {1L << 32, 1L << 32 | 1L << 34})
    void aRingGoesOnWhereTheStatusZeroStoppedIt(long features) {
        guest.features = features;
        guest.setUp(0, 8);
        for (int i = 0; i < 11; i++) {
            guest.exchange(0);
        }
        for (int turn = 0; turn < 2; turn++) {
            guest.raw.ok(RawFrontend.SET_STATUS, bytes(0L));
            int base = guest.stop(0);
            // Eleven or twelve of a packed ring of eight: the second lap, whose wrap counters are 0.
            int used = 11 + turn;
            assertEquals(guest.isPacked() ? (used - 8) * 0x0001_0001 : used, base);
            guest.raw.ok(RawFrontend.SET_FEATURES, bytes(features | TestGuest.PROTOCOL_BIT));
            guest.setNum(0, 8);
            guest.setBase(0, base);
            guest.setAddress(0);
            guest.setKick(0);
            guest.enable(0, 1);
            guest.exchange(0);
        }
    }

    @Test
    void stoppingWaitsForWhatIsInFlightWhileOthersAreServed() {
        guest.setUp(0, 8);
        lab.device.hold = true;
        guest.offer(0);
        guest.offer(0);
        BackendLab.await("both requests", () -> lab.device.inFlight() == 2);
        guest.raw.send(RawFrontend.GET_VRING_BASE, bytes(0, 0));
        try (TestGuest other = TestGuest.connect(lab.neighbourBackend.socket())) {
            other.setUp(0, 8);
            other.exchange(0);
        }
        assertEquals(-Errno.ETIMEDOUT, guest.raw.socket().awaitReadable(20), "an answer before the ring was drained");
        lab.device.hold = false;
        assertEquals(2, guest.raw.receive(RawFrontend.GET_VRING_BASE).payload().getInt(4));
        for (int i = 0; i < 2; i++) {
            assertTrue(guest.queues[0].popUsed() >= 0, "what was taken is completed before the answer");
        }
        assertEquals(-1, guest.queues[0].popUsed());
    }

    @Test
    void stoppingARingThatNeverStartedGivesItsBase() {
        guest.negotiate();
        guest.setBase(1, 77);
        assertEquals(77, guest.stop(1));
        assertEquals(77, guest.stop(1));
    }

    @Test
    void swappingTheCallDescriptorLosesNoNotification() {
        guest.setUp(0, 8);
        guest.exchange(0);
        guest.raw.ok(RawFrontend.SET_VRING_CALL, bytes(NO_DESCRIPTOR));
        guest.queues[0].armCalls();
        guest.offer(0);
        BackendLab.await("completion without a call", () -> guest.isFilled(0));
        try (EventFd replacement = EventFd.create()) {
            guest.raw.ok(
                    RawFrontend.SET_VRING_CALL, bytes(0L), replacement.fd().value());
            // The acknowledgement says that it is in use, and so that the notification is there.
            assertEquals(1, replacement.drain());
        }
        assertTrue(guest.queues[0].popUsed() >= 0);
    }

    @Test
    void swapsTheKickDescriptorOfARunningRing() {
        guest.setUp(0, 8);
        guest.exchange(0);
        try (EventFd replacement = EventFd.create()) {
            guest.raw.ok(RawFrontend.SET_VRING_KICK, bytes(0L), replacement.fd().value());
            EventFd old = guest.kicks[0];
            guest.kicks[0] = replacement;
            for (int i = 0; i < 5; i++) {
                whileNothingShouldHappen();
                guest.exchange(0);
            }
            guest.kicks[0] = old;
        }
        assertEquals(1, lab.backend.rings().getFirst().counters().starts());
    }

    @Test
    void aFailingHandlerBreaksItsRingAndTheFrontendIsTold() {
        guest.setUp(0, 8);
        guest.exchange(0);
        lab.device.failure = new IllegalStateException("a bug of the device");
        // A poll that began before must not serve the request.
        Reactor.quiesce(lab.reactors).join();
        guest.offer(0);
        guest.awaitError(0);
        lab.device.failure = null;
        BackendLab.await("status", () -> lab.backend.rings().getFirst().broken() != null);
        assertEquals(1, lab.backend.rings().getFirst().counters().broken());
        assertFalse(guest.isFilled(0));
        // The other ring, and this one after a restart, are as good as new.
        guest.startRing(1, 8);
        guest.enable(1, 1);
        guest.exchange(1);
        assertEquals(1, guest.stop(0));
        guest.setKick(0);
        guest.awaitUsed(0);
        assertNull(lab.backend.rings().getFirst().broken());
    }

    @Test
    void aDeviceThatRefusesAQueueEndsTheConnection() {
        lab.device.refusal = new IllegalArgumentException("not today");
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
        assertEquals(1, guest.raw.acked(RawFrontend.SET_VRING_KICK, bytes(0L), guest.kicks[0].fd().value()));
        guest.raw.assertEnded();
    }

    @Test
    void disconnectingKeepsMemoryMappedUntilNothingIsInFlight() {
        guest.setUp(0, 8);
        lab.device.hold = true;
        guest.offer(0);
        BackendLab.await("the request", () -> lab.device.inFlight() == 1);
        guest.raw.close();
        BackendLab.await("disconnection", () -> !lab.backend.connected());
        whileNothingShouldHappen();
        int mapped = Mapping.openCount();
        assertNotNull(lab.device.events, "detached before the rings have stopped");
        lab.device.hold = false;
        BackendLab.await("detachment", () -> lab.device.events == null);
        assertEquals(mapped - 1, Mapping.openCount(), "guest memory was unmapped under a request");
    }

    @Test
    void aSecondFrontendWaitsForTheFirstOneToGo() {
        guest.setUp(0, 8);
        try (TestGuest second = TestGuest.connect(lab.backend.socket())) {
            second.raw.send(RawFrontend.GET_FEATURES, bytes());
            guest.exchange(0);
            assertEquals(-Errno.ETIMEDOUT, second.raw.socket().awaitReadable(20));
            guest.raw.close();
            second.raw.receive(RawFrontend.GET_FEATURES);
            second.setUp(0, 8);
            second.exchange(0);
        }
    }

    @Test
    void closingTheBackendStopsItsRings() {
        guest.setUp(0, 8);
        guest.exchange(0);
        lab.backend.close();
        guest.raw.assertEnded();
        assertFalse(lab.backend.connected());
        lab.backend.close();
    }
}
