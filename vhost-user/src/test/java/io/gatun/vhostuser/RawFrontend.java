package io.gatun.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A front-end that sends exactly the bytes a test says, and shares no code with the back-end. */
final class RawFrontend implements AutoCloseable {
    static final int GET_FEATURES = 1;
    static final int SET_FEATURES = 2;
    static final int SET_OWNER = 3;
    static final int RESET_OWNER = 4;
    static final int SET_MEM_TABLE = 5;
    static final int SET_LOG_BASE = 6;
    static final int SET_LOG_FD = 7;
    static final int SET_VRING_NUM = 8;
    static final int SET_VRING_ADDR = 9;
    static final int SET_VRING_BASE = 10;
    static final int GET_VRING_BASE = 11;
    static final int SET_VRING_KICK = 12;
    static final int SET_VRING_CALL = 13;
    static final int SET_VRING_ERR = 14;
    static final int GET_PROTOCOL_FEATURES = 15;
    static final int SET_PROTOCOL_FEATURES = 16;
    static final int GET_QUEUE_NUM = 17;
    static final int SET_VRING_ENABLE = 18;
    static final int SEND_RARP = 19;
    static final int NET_SET_MTU = 20;
    static final int SET_BACKEND_REQ_FD = 21;
    static final int IOTLB_MSG = 22;
    static final int SET_VRING_ENDIAN = 23;
    static final int GET_CONFIG = 24;
    static final int SET_CONFIG = 25;
    static final int GET_INFLIGHT_FD = 31;
    static final int SET_INFLIGHT_FD = 32;
    static final int RESET_DEVICE = 34;
    static final int GET_MAX_MEM_SLOTS = 36;
    static final int ADD_MEM_REG = 37;
    static final int REM_MEM_REG = 38;
    static final int SET_STATUS = 39;
    static final int GET_STATUS = 40;

    static final int NEED_REPLY = 8;
    static final int PATIENCE_MILLIS = 5000;

    private final UnixSocket socket;
    private final Mapping buffer = Mapping.anonymous(1 << 16);

    /** A reply: its payload, and descriptors that the test closes. */
    record Reply(ByteBuffer payload, List<Fd> descriptors) {
        long u64() {
            assertEquals(8, payload.limit(), "payload of the reply");
            return payload.getLong(0);
        }
    }

    RawFrontend(UnixSocket socket) {
        this.socket = socket;
    }

    static RawFrontend connect(Path path) {
        return new RawFrontend(UnixSocket.connect(path.toString()));
    }

    UnixSocket socket() {
        return socket;
    }

    /** Integers as 32 bits, longs as 64, bytes and shorts as themselves, arrays of bytes whole; little-endian. */
    static byte[] bytes(Object... fields) {
        ByteBuffer target = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
        for (Object field : fields) {
            switch (field) {
                case Integer i -> target.putInt(i);
                case Long l -> target.putLong(l);
                case Short s -> target.putShort(s);
                case Byte b -> target.put(b);
                case byte[] a -> target.put(a);
                default -> throw new IllegalArgumentException(field.getClass().getName());
            }
        }
        byte[] result = new byte[target.position()];
        target.get(0, result);
        return result;
    }

    static byte[] message(int request, int flags, byte[] payload) {
        return bytes(request, flags, payload.length, payload);
    }

    void send(int request, byte[] payload, int... fds) {
        sendBytes(message(request, 1, payload), fds);
    }

    void sendBytes(byte[] whole, int... fds) {
        Memory.copyFromArray(whole, 0, buffer.address(), whole.length);
        assertEquals(whole.length, socket.sendFully(buffer.address(), whole.length, fds, fds.length, PATIENCE_MILLIS));
    }

    /** Sends until the peer refuses to take more; a peer that has already gone is fine. */
    void trySendBytes(byte[] whole, int... fds) {
        Memory.copyFromArray(whole, 0, buffer.address(), whole.length);
        int result = socket.sendFully(buffer.address(), whole.length, fds, fds.length, PATIENCE_MILLIS);
        assertTrue(result == whole.length || result == -Errno.EPIPE || result == -Errno.ECONNRESET, Errno.name(result));
    }

    Reply ask(int request, byte[] payload, int... fds) {
        send(request, payload, fds);
        return receive(request);
    }

    long askU64(int request) {
        return ask(request, new byte[0]).u64();
    }

    /** Sends with NEED_REPLY; returns the result. */
    long acked(int request, byte[] payload, int... fds) {
        sendBytes(message(request, 1 | NEED_REPLY, payload), fds);
        return receive(request).u64();
    }

    void ok(int request, byte[] payload, int... fds) {
        assertEquals(0, acked(request, payload, fds), "result of request " + request);
    }

    Reply receive(int request) {
        int[] fds = new int[8];
        int got = socket.receiveFully(buffer.address(), 12, fds, PATIENCE_MILLIS);
        assertEquals(12, got, () -> "header of the reply to " + request + ": " + (got < 0 ? Errno.name(got) : "ended"));
        List<Fd> received = new ArrayList<>();
        for (int i = 0; i < socket.receivedFds(); i++) {
            received.add(Fd.owning(fds[i]));
        }
        assertEquals(request, Memory.getInt(buffer.address()), "request of the reply");
        assertEquals(5, Memory.getInt(buffer.address() + 4), "flags of the reply");
        int size = Memory.getInt(buffer.address() + 8);
        byte[] payload = new byte[size];
        if (size != 0) {
            assertEquals(size, socket.receiveFully(buffer.address(), size, fds, PATIENCE_MILLIS));
            Memory.copyToArray(buffer.address(), payload, 0, size);
        }
        return new Reply(ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN), received);
    }

    /** Waits for the back-end to end the connection; replies that are still under way are skipped. */
    void assertEnded() {
        int[] fds = new int[8];
        while (true) {
            int result = socket.receive(buffer.address(), 4096, fds);
            for (int i = 0; i < socket.receivedFds(); i++) {
                Fd.closeRaw(fds[i]);
            }
            if (result == 0 || result == -Errno.ECONNRESET) {
                return;
            }
            if (result == -Errno.EAGAIN && socket.awaitReadable(PATIENCE_MILLIS) < 0) {
                fail("the connection is still open");
            }
        }
    }

    @Override
    public void close() {
        socket.close();
        buffer.close();
    }
}
