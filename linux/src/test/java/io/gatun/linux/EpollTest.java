package io.gatun.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EpollTest {
    private final Epoll epoll = Epoll.create(8);

    @AfterEach
    void close() {
        epoll.close();
    }

    @Test
    void reportsTokensOfReadyDescriptors() {
        try (EventFd first = EventFd.create();
                EventFd second = EventFd.create();
                EventFd quiet = EventFd.create()) {
            assertEquals(0, epoll.add(first.fd().value(), Epoll.EPOLLIN, -1L));
            assertEquals(0, epoll.add(second.fd().value(), Epoll.EPOLLIN, 0x1234_5678_9abc_def0L));
            assertEquals(0, epoll.add(quiet.fd().value(), Epoll.EPOLLIN, 7));
            assertEquals(0, epoll.await(0));
            first.signal();
            second.signal();
            assertEquals(2, epoll.await(1000));
            assertEquals(Set.of(-1L, 0x1234_5678_9abc_def0L), new HashSet<>(Set.of(epoll.token(0), epoll.token(1))));
            assertEquals(Epoll.EPOLLIN, epoll.events(0));
        }
    }

    @Test
    void edgeTriggeredReportsOncePerSignal() {
        try (EventFd event = EventFd.create()) {
            epoll.add(event.fd().value(), Epoll.EPOLLIN | Epoll.EPOLLET, 1);
            event.signal();
            assertEquals(1, epoll.await(0));
            assertEquals(0, epoll.await(0));
            event.signal();
            assertEquals(1, epoll.await(0));
        }
    }

    @Test
    void modifiesAndRemoves() {
        try (EventFd event = EventFd.create()) {
            int fd = event.fd().value();
            epoll.add(fd, Epoll.EPOLLIN, 1);
            assertEquals(-Errno.EEXIST, epoll.add(fd, Epoll.EPOLLIN, 1));
            assertEquals(0, epoll.modify(fd, Epoll.EPOLLOUT, 2));
            assertEquals(1, epoll.await(0));
            assertEquals(2, epoll.token(0));
            assertEquals(Epoll.EPOLLOUT, epoll.events(0));
            assertEquals(0, epoll.remove(fd));
            assertEquals(0, epoll.await(0));
            assertEquals(-Errno.ENOENT, epoll.remove(fd));
        }
    }

    @Test
    void refusesARegularFile() {
        try (MemoryFile file = MemoryFile.create("regular", 4096)) {
            assertEquals(-Errno.EPERM, epoll.add(file.fd().value(), Epoll.EPOLLIN, 1));
        }
    }

    @Test
    void waitsNoLongerThanTheTimeout() {
        // No lower bound: a signal, or the kernel's work for an io_uring of this thread, may end a wait early.
        long start = System.nanoTime();
        assertEquals(0, epoll.await(20));
        assertTrue(System.nanoTime() - start < 5_000_000_000L);
    }

    @Test
    void reportsAtMostItsCapacity() {
        try (Epoll small = Epoll.create(1);
                EventFd first = EventFd.create();
                EventFd second = EventFd.create()) {
            small.add(first.fd().value(), Epoll.EPOLLIN, 1);
            small.add(second.fd().value(), Epoll.EPOLLIN, 2);
            first.signal();
            second.signal();
            assertEquals(1, small.await(0));
        }
    }
}
