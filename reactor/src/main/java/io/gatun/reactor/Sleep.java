package io.gatun.reactor;

import io.gatun.linux.Epoll;
import io.gatun.linux.EventFd;
import io.gatun.linux.LinuxException;

/**
 * How a reactor falls asleep and is woken, without a lost wake-up and without a system call while it is awake.
 *
 * <p>The sleeper {@linkplain #announce announces} that it will sleep, looks for work once more, and only then sleeps.
 * Whoever brings work makes it visible first and then {@linkplain #wake wakes}: the sleeper sees the work, or the
 * bringer sees the {@link Announcement} and signals. A signal that comes before the sleep is kept by the eventfd.
 *
 * <p>Everything is edge-triggered and nothing is drained: each write to a watched descriptor makes the next sleep end,
 * and an edge that nobody waited for costs one short sleep.
 *
 * <p><b>Thread-safety:</b> {@link #wake} is for any thread, the rest for the sleeper alone.
 */
final class Sleep implements AutoCloseable {
    /** Edges taken per wake-up; further ones stay with the kernel and end the next sleep. */
    private static final int EDGES = 64;

    private final Announcement announcement = new Announcement();
    private final EventFd alarm;
    private final Epoll epoll;

    Sleep() {
        alarm = EventFd.create();
        epoll = Epoll.create(EDGES);
        watch(alarm.fd().value());
    }

    /** The next write to {@code fd} ends a sleep; throws {@link LinuxException} for what cannot be waited for. */
    void watch(int fd) {
        int result = epoll.add(fd, Epoll.EPOLLIN | Epoll.EPOLLET, fd);
        if (result < 0) {
            throw new LinuxException("watch fd " + fd, result, "only sockets, pipes and eventfds can wake a reactor");
        }
    }

    /** Forgets {@code fd}, which must still be open; throws {@link LinuxException}. */
    void unwatch(int fd) {
        int result = epoll.remove(fd);
        if (result < 0) {
            throw new LinuxException("unwatch fd " + fd, result, "unwatch a descriptor before closing it");
        }
    }

    /** To be called by whoever made work visible; costs a fence and a load while the sleeper is awake. */
    void wake() {
        if (announcement.isMade()) {
            alarm.signal();
        }
    }

    /** The sleeper will look for work once more and then sleep, or call {@link #end}. */
    void announce() {
        announcement.announce();
    }

    /** Sleeps until a watched descriptor is written to or {@link #wake} is called; after {@link #announce}. */
    void await() {
        int result = epoll.await(-1);
        if (result < 0) {
            throw new LinuxException("epoll_wait", result, "");
        }
    }

    /** The sleeper is awake. */
    void end() {
        announcement.withdraw();
    }

    @Override
    public void close() {
        epoll.close();
        alarm.close();
    }
}
