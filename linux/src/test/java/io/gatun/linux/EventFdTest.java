package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class EventFdTest {
    @Test
    void countsSignalsAndDrainsThemAtOnce() {
        try (EventFd event = EventFd.create()) {
            assertEquals(0, event.drain());
            assertEquals(0, event.signal());
            assertEquals(0, EventFd.signal(event.fd().value()));
            assertEquals(2, event.drain());
            assertEquals(0, event.drain());
        }
    }

    @Test
    void drainsAPeersDescriptor() {
        try (EventFd event = EventFd.create()) {
            int fd = event.fd().value();
            assertEquals(0, EventFd.drain(fd));
            event.signal();
            assertEquals(1, EventFd.drain(fd));
            assertEquals(0, EventFd.drain(fd));
        }
    }

    @Test
    void saturatedCounterIsNoError() {
        try (EventFd event = EventFd.create();
                Mapping value = Mapping.anonymous(8)) {
            Memory.putLong(value.address(), 0xffff_ffff_ffff_fffeL);
            assertEquals(8, FileIo.write(event.fd().value(), value.address(), 8));
            assertEquals(0, event.signal());
        }
    }

    @Test
    void otherDescriptorsAreToldApartAndHarmless() {
        try (EventFd event = EventFd.create();
                MemoryFile file = MemoryFile.create("not an eventfd", 4096)) {
            assertTrue(EventFd.isEventFd(event.fd().value()));
            assertFalse(EventFd.isEventFd(file.fd().value()));
            assertFalse(EventFd.isEventFd(-1));
            UnixSocket[] sockets = UnixSocket.pair();
            assertEquals(0, EventFd.makeNonBlocking(sockets[0].fd().value()));
            assertEquals(0, EventFd.drain(sockets[0].fd().value()));
            sockets[1].close();
            assertEquals(-Errno.EPIPE, EventFd.signal(sockets[0].fd().value()));
            assertEquals(-Errno.EPIPE, EventFd.drain(sockets[0].fd().value()));
            sockets[0].close();
            assertEquals(-Errno.EBADF, EventFd.signal(-1));
        }
    }
}
