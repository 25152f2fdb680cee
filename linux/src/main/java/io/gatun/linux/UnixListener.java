package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * A listening Unix stream socket at a path, made with mode 0600 and removed on close. Source: unix(7).
 *
 * <p>A path where another process still listens is refused; a socket file that nobody serves any more is replaced.
 *
 * <p><b>Thread-safety:</b> for one thread, except that {@link #close} may come from any.
 */
public final class UnixListener implements AutoCloseable {
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOCK_NONBLOCK = 0x800;
    private static final int BACKLOG = 16;
    private static final int OWNER_ONLY = 0600;

    private static final MethodHandle BIND =
            Native.bind("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle LISTEN =
            Native.bind("listen", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle ACCEPT =
            Native.bind("accept4", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle FCHMOD =
            Native.bind("fchmod", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));

    private final Fd fd;
    private final Path path;
    private final long inode;

    private UnixListener(Fd fd, Path path, long inode) {
        this.fd = fd;
        this.path = path;
        this.inode = inode;
    }

    /** Listens at {@code path}; throws {@link LinuxException} with the remedy. */
    public static UnixListener listen(String path) {
        Fd fd = UnixSocket.open();
        try {
            int result = bind(fd, path);
            if (result == -Errno.EADDRINUSE && removeStale(path)) {
                result = bind(fd, path);
            }
            if (result == 0) {
                result = Native.result((int) LISTEN.invokeExact(Native.capture(), fd.value(), BACKLOG));
            }
            if (result < 0) {
                throw new LinuxException("listen at " + path, result, remedy(result));
            }
            return new UnixListener(fd, Path.of(path), inode(Path.of(path)));
        } catch (LinuxException e) {
            fd.close();
            throw e;
        } catch (Throwable t) {
            fd.close();
            throw Native.unreachable(t);
        }
    }

    /** Readable when a connection waits. */
    public Fd fd() {
        return fd;
    }

    public Path path() {
        return path;
    }

    /**
     * Accepts one waiting connection, or returns {@code null} if none waits. Throws {@link LinuxException} where the
     * process is out of descriptors: the connection keeps waiting, so a level-triggered loop must back off.
     */
    public UnixSocket accept() {
        int result;
        try {
            result = Native.result((int)
                    ACCEPT.invokeExact(Native.capture(), fd.value(), 0L, 0L, SOCK_CLOEXEC | SOCK_NONBLOCK));
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
        if (result == -Errno.EAGAIN || result == -Errno.ECONNABORTED || result == -Errno.EINTR) {
            return null;
        }
        if (result < 0) {
            throw new LinuxException("accept at " + path, result, remedy(result));
        }
        return UnixSocket.owning(Fd.owning(result));
    }

    /** Stops listening, and removes the socket file unless a successor has replaced it by then. */
    @Override
    public void close() {
        if (!fd.isClosed()) {
            try {
                if (inode(path) == inode) {
                    Files.deleteIfExists(path);
                }
            } catch (IOException alreadyRemoved) {
                // Nothing is left to remove, or its directory is out of reach: the next start replaces a stale file.
            }
            fd.close();
        }
    }

    private static int bind(Fd fd, String path) {
        try {
            // The socket file takes the socket's own mode: there is no moment at which others can connect.
            int result = Native.result((int) FCHMOD.invokeExact(Native.capture(), fd.value(), OWNER_ONLY));
            if (result < 0) {
                return result;
            }
            try (SocketAddress address = SocketAddress.of(path)) {
                return Native.result((int)
                        BIND.invokeExact(Native.capture(), fd.value(), address.address(), address.lengthBytes()));
            }
        } catch (LinuxException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unreachable(t);
        }
    }

    /** Removes a socket file that refuses connections; leaves live sockets, and files that are not sockets, alone. */
    private static boolean removeStale(String path) throws IOException {
        // Connecting to a regular file is refused too, so the type is asked first.
        if (!isSocket(Path.of(path))) {
            throw new LinuxException(
                    "listen at " + path, Errno.EEXIST, "a file that is no socket is there; move it away");
        }
        try {
            UnixSocket.connect(path).close();
            return false;
        } catch (LinuxException e) {
            return e.errno() == Errno.ECONNREFUSED && Files.deleteIfExists(Path.of(path));
        }
    }

    private static boolean isSocket(Path path) throws IOException {
        int mode = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        return (mode & 0xf000) == 0xc000;
    }

    private static long inode(Path path) throws IOException {
        return (long) Files.getAttribute(path, "unix:ino", LinkOption.NOFOLLOW_LINKS);
    }

    private static String remedy(int errno) {
        return switch (-errno) {
            case Errno.EADDRINUSE -> "another process listens there; stop it or choose another path";
            case Errno.ENOENT -> "make its directory first";
            case Errno.EACCES, Errno.EPERM -> "check the permissions of its directory";
            case Errno.EMFILE, Errno.ENFILE -> "raise the limit of open files (ulimit -n)";
            default -> "";
        };
    }
}
