package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * A front-end that is about to do what it must not. Its connection ends, nothing leaks, and it leaves a neighbour's
 * device running and its own ready for the next front-end.
 */
abstract class OffendingFrontend {
    BackendLab lab;
    private TestGuest neighbour;
    TestGuest guest;
    RawFrontend raw;

    @BeforeEach
    void connect() {
        lab = new BackendLab();
        neighbour = TestGuest.connect(lab.neighbourBackend.socket());
        neighbour.setUp(0, 8);
        neighbour.exchange(0);
        guest = TestGuest.connect(lab.backend.socket());
        raw = guest.raw;
    }

    @AfterEach
    void onlyThisConnectionEndsAndNothingLeaks() {
        raw.assertEnded();
        guest.close();
        neighbour.exchange(0);
        try (TestGuest next = TestGuest.connect(lab.backend.socket())) {
            next.setUp(0, 8);
            next.exchange(0);
        }
        neighbour.exchange(0);
        neighbour.close();
        lab.assertReleased();
        lab.close();
    }

    final void refused(int request, byte[] payload, int... fds) {
        assertEquals(1, raw.acked(request, payload, fds), "the refusal");
    }

    /** A guest that has all it needs but the ring's last message. */
    final void setUpButForTheKick() {
        guest.negotiate();
        guest.shareMemory();
        guest.makeQueue(0, 8);
        guest.setNum(0, 8);
        guest.setAddress(0);
    }
}
