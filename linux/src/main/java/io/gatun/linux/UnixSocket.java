package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * A connected, non-blocking Unix stream socket that carries bytes and descriptors. Source: unix(7), sendmsg(2),
 * recvmsg(2).
 *
 * <p>Calls return a count or {@code -errno}; {@code -EAGAIN} where they would have to wait. The {@code Fully} forms
 * wait, up to a time, and suit front-ends and tests; a back-end's control loop waits in {@link Epoll} instead.
 *
 * <p>Descriptors travel with the first byte of a send and never merge with those of the next one. Every received
 * descriptor is closed on exec and belongs to the caller; those that do not fit the caller's array are closed here and
 * reported by {@link #descriptorsLost}.
 *
 * <p><b>Thread-safety:</b> one thread may send while another one receives; {@link #shutdown} may come from any thread,
 * and wakes both; {@link #close} comes when both have finished.
 */
public final class UnixSocket implements AutoCloseable {
    /** The most descriptors that one message carries here; vhost-user needs eight. */
    public static final int MAX_FDS = 32;

    private static final int AF_UNIX = 1;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int SOL_SOCKET = 1;
    private static final int SO_PEERCRED = 17;
    private static final int SHUT_RDWR = 2;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_DONTWAIT = 0x40;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final short POLLIN = 1;
    private static final short POLLOUT = 4;

    private static final MethodHandle SOCKET =
            Native.bind("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SOCKETPAIR =
            Native.bind("socketpair", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle CONNECT =
            Native.bind("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SENDMSG =
            Native.bind("sendmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle RECVMSG =
            Native.bind("recvmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SHUTDOWN =
            Native.bind("shutdown", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle GETSOCKOPT = Native.bind(
            "getsockopt", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle POLL =
            Native.bind("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    /** Who is at the other end, as of its connect. */
    public record Peer(int processId, int userId, int groupId) {}

    private final Fd fd;
    private final Mapping scratch = Mapping.anonymous(MessageHeader.SIZE * 2L);
    private final MessageHeader outgoing = new MessageHeader(scratch.address());
    private final MessageHeader incoming = new MessageHeader(scratch.address() + MessageHeader.SIZE);
    private int receivedFds;
    private boolean descriptorsLost;

    private UnixSocket(Fd fd) {
        this.fd = fd;
    }

    /**
     * Takes ownership of a connected socket, which must be non-blocking for {@code send} and {@code receive} not to
     * wait.
     */
    public static UnixSocket owning(Fd fd) {
        return new UnixSocket(fd);
    }

    /** Two sockets that are connected to each other. */
    public static UnixSocket[] pair() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment both = arena.allocate(8, 8);
            int result = Native.result((int) SOCKETPAIR.invokeExact(
                    Native.capture(), AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both.address()));
            if (result < 0) {
                throw new LinuxException("socketpair", result, "raise the limit of open files (ulimit -n)");
            }
            return new UnixSocket[] {
                owning(Fd.owning(both.get(JAVA_INT, 0))), owning(Fd.owning(both.get(JAVA_INT, 4)))
            };
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Connects to a listener; throws {@link LinuxException}, {@code ECONNREFUSED} or {@code ENOENT} where nobody
     * listens.
     */
    public static UnixSocket connect(String path) {
        Fd fd = open();
        int result;
        try (SocketAddress address = SocketAddress.of(path)) {
            result = Native.result(
                    (int) CONNECT.invokeExact(Native.capture(), fd.value(), address.address(), address.lengthBytes()));
        } catch (LinuxException e) {
            fd.close();
            throw e;
        } catch (Throwable t) {
            fd.close();
            throw Native.unreachable(t);
        }
        if (result < 0) {
            fd.close();
            String remedy =
                    result == -Errno.EAGAIN ? "the listener's queue is full; try again" : "start the server first";
            throw new LinuxException("connect to " + path, result, remedy);
        }
        return owning(fd);
    }

    /** An unconnected, non-blocking socket. */
    static Fd open() {
        int result;
        try {
            result = Native.result((int)
                    SOCKET.invokeExact(Native.capture(), AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result < 0) {
            throw new LinuxException("socket", result, "raise the limit of open files (ulimit -n)");
        }
        return Fd.owning(result);
    }

    public Fd fd() {
        return fd;
    }

    /**
     * Sends bytes, with descriptors attached to the first of them.
     *
     * @param fds descriptors; they stay the caller's. May be {@code null} where {@code fdCount} is 0
     * @param fdCount how many of them, 0 to {@link #MAX_FDS}
     * @return how many bytes went, at least one where {@code length} is, or {@code -errno}, in which case no descriptor
     * went either
     */
    public int send(long address, int length, int[] fds, int fdCount) {
        outgoing.prepareSend(address, length, fds, fdCount);
        try {
            return (int) Native.result((long)
                    SENDMSG.invokeExact(Native.capture(), fd.value(), outgoing.address(), MSG_NOSIGNAL | MSG_DONTWAIT));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /**
     * Receives what is there, up to {@code length} bytes and the descriptors of one message.
     *
     * @param fds where descriptors go, {@code null} for none; {@link #receivedFds} says how many came
     * @return how many bytes came, 0 if the peer has closed, or {@code -errno}
     */
    public int receive(long address, int length, int[] fds) {
        receivedFds = 0;
        descriptorsLost = false;
        return receive(address, length, fds, 0);
    }

    /** How many descriptors the last receive put into its array. */
    public int receivedFds() {
        return receivedFds;
    }

    /** Whether the last receive lost descriptors: more than the array holds, or more than this process may open. */
    public boolean descriptorsLost() {
        return descriptorsLost;
    }

    /**
     * Sends everything, waiting up to {@code timeoutMillis} for each part; returns {@code length} or {@code -errno}.
     */
    public int sendFully(long address, int length, int[] fds, int fdCount, int timeoutMillis) {
        int done = 0;
        while (done < length) {
            int result = send(address + done, length - done, fds, done == 0 ? fdCount : 0);
            if (result == -Errno.EAGAIN) {
                result = awaitWritable(timeoutMillis);
                if (result < 0) {
                    return result;
                }
            } else if (result >= 0) {
                done += result;
            } else if (result != -Errno.EINTR) {
                return result;
            }
        }
        return done;
    }

    /**
     * Receives exactly {@code length} bytes, waiting up to {@code timeoutMillis} for each part; descriptors of all
     * parts gather in {@code fds}.
     *
     * @return {@code length}, fewer if the peer closed before, or {@code -errno}: {@code -ETIMEDOUT} after the time
     */
    public int receiveFully(long address, int length, int[] fds, int timeoutMillis) {
        receivedFds = 0;
        descriptorsLost = false;
        int done = 0;
        while (done < length) {
            int result = receive(address + done, length - done, fds, receivedFds);
            if (result == 0) {
                return done;
            }
            if (result == -Errno.EAGAIN) {
                result = awaitReadable(timeoutMillis);
                if (result < 0) {
                    return result;
                }
            } else if (result > 0) {
                done += result;
            } else if (result != -Errno.EINTR) {
                return result;
            }
        }
        return done;
    }

    /** Waits until a receive has something to report; returns 0, {@code -ETIMEDOUT} or {@code -errno}. */
    public int awaitReadable(int timeoutMillis) {
        return await(POLLIN, timeoutMillis);
    }

    /** Waits until a send can progress; returns 0, {@code -ETIMEDOUT} or {@code -errno}. */
    public int awaitWritable(int timeoutMillis) {
        return await(POLLOUT, timeoutMillis);
    }

    /** Who is at the other end; throws {@link LinuxException}. */
    public Peer peer() {
        try (Arena arena = Arena.ofConfined()) {
            // struct ucred { pid, uid, gid } and then its length.
            MemorySegment answer = arena.allocate(16, 8);
            answer.set(JAVA_INT, 12, 12);
            int result = Native.result((int) GETSOCKOPT.invokeExact(
                    Native.capture(), fd.value(), SOL_SOCKET, SO_PEERCRED, answer.address(), answer.address() + 12));
            if (result < 0) {
                throw new LinuxException("credentials of the peer of " + this, result, "");
            }
            return new Peer(answer.get(JAVA_INT, 0), answer.get(JAVA_INT, 4), answer.get(JAVA_INT, 8));
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Ends both directions, so that both ends read an end; returns 0 or {@code -errno}. */
    public int shutdown() {
        try {
            return Native.result((int) SHUTDOWN.invokeExact(Native.capture(), fd.value(), SHUT_RDWR));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    @Override
    public void close() {
        fd.close();
        scratch.close();
    }

    @Override
    public String toString() {
        return "socket " + fd.value();
    }

    private int receive(long address, int length, int[] fds, int firstFd) {
        incoming.prepareReceive(address, length);
        int result;
        try {
            result = (int) Native.result((long) RECVMSG.invokeExact(
                    Native.capture(), fd.value(), incoming.address(), MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result >= 0) {
            receivedFds = incoming.takeFds(fds, firstFd);
            descriptorsLost |= incoming.lostFds();
        }
        return result;
    }

    private int await(short events, int timeoutMillis) {
        try (Arena arena = Arena.ofConfined()) {
            // struct pollfd { int fd; short events; short revents; }
            MemorySegment poll = arena.allocate(8, 8);
            poll.set(JAVA_INT, 0, fd.value());
            poll.set(JAVA_INT, 4, events);
            int result = Native.result((int) POLL.invokeExact(Native.capture(), poll.address(), 1L, timeoutMillis));
            return result == 0 ? -Errno.ETIMEDOUT : result < 0 && result != -Errno.EINTR ? result : 0;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }
}
