package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The way out of a signal that blocks, where that way is blocked too. */
@Timeout(20)
class PeerSignalTest {
    private final EventFd first = EventFd.create();
    private final EventFd second = EventFd.create();
    private final PeerSignal signal = new PeerSignal();
    private final int before = Fd.openCount();

    @AfterEach
    void close() {
        first.close();
        second.close();
    }

    private void assertFreed(EventFd... descriptors) {
        for (EventFd descriptor : descriptors) {
            descriptor.signal();
        }
        signal.free(List.of(first.fd(), second.fd()));
        BackendLab.await("the threads", () -> Fd.openCount() <= before);
        for (EventFd descriptor : descriptors) {
            assertEquals(0, descriptor.drain(), "drained already");
        }
    }

    @Test
    void threadsThatCannotStartLeaveNoDescriptor() {
        List<Fd> both = List.of(first.fd(), second.fd());
        assertThrows(OutOfMemoryError.class, () -> signal.free(both, work -> new Thread(work) {
            @Override
            public void start() {
                throw new OutOfMemoryError("unable to create native thread");
            }
        }));
        BackendLab.await("descriptors", () -> Fd.openCount() <= before);
        // The control loop tries again at its next look.
        assertFreed(first, second);
    }

    @Test
    void descriptorsThatCannotBeCopiedAreTriedAgain() {
        EventFd gone = EventFd.create();
        gone.close();
        assertThrows(LinuxException.class, () -> signal.free(List.of(gone.fd(), first.fd())));
        BackendLab.await("descriptors", () -> Fd.openCount() <= before);
        assertFreed(first, second);
    }

    @Test
    void aRingThatIsFreedIsSilentFromThenOn() {
        signal.signal(first.fd().value());
        assertTrue(first.drain() > 0);
        assertFreed(first);
        signal.signal(first.fd().value());
        assertEquals(0, first.drain());
        assertFalse(signal.isStuck());
    }
}
