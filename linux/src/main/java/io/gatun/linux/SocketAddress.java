package io.gatun.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** A {@code struct sockaddr_un} in native memory, for one call. Source: unix(7). */
final class SocketAddress implements AutoCloseable {
    private static final short AF_UNIX = 1;
    private static final int PATH = 2;
    private static final int PATH_SIZE = 108;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment segment = arena.allocate(PATH + PATH_SIZE, 8);
    private final int lengthBytes;

    private SocketAddress(byte[] path) {
        segment.set(JAVA_SHORT, 0, AF_UNIX);
        MemorySegment.copy(path, 0, segment, JAVA_BYTE, PATH, path.length);
        lengthBytes = PATH + path.length + 1;
    }

    static SocketAddress of(String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length >= PATH_SIZE) {
            throw new LinuxException(
                    "socket path " + path, Errno.ENAMETOOLONG, "a socket path has 1 to " + (PATH_SIZE - 1) + " bytes");
        }
        return new SocketAddress(bytes);
    }

    long address() {
        return segment.address();
    }

    int lengthBytes() {
        return lengthBytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}
