package io.gatun.vhostuser;

import static io.gatun.vhostuser.MessageLayout.FLAGS_OFFSET;
import static io.gatun.vhostuser.MessageLayout.HEADER_BYTES;
import static io.gatun.vhostuser.MessageLayout.MAX_DESCRIPTORS;
import static io.gatun.vhostuser.MessageLayout.MAX_PAYLOAD_BYTES;
import static io.gatun.vhostuser.MessageLayout.NEED_REPLY;
import static io.gatun.vhostuser.MessageLayout.REPLY;
import static io.gatun.vhostuser.MessageLayout.REQUEST_OFFSET;
import static io.gatun.vhostuser.MessageLayout.SIZE_OFFSET;
import static io.gatun.vhostuser.MessageLayout.VERSION;
import static io.gatun.vhostuser.MessageLayout.VERSION_MASK;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Puts messages together from a stream that may be cut anywhere.
 *
 * <p>Never reads past the message it is at, so that descriptors, which come with a message's first byte, stay with
 * their message. Flags and size are checked before the payload is waited for; the rest is {@link RequestRule}'s.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class MessageReader implements AutoCloseable {
    private final UnixSocket socket;
    private final Mapping buffer = Mapping.anonymous(HEADER_BYTES + MAX_PAYLOAD_BYTES);
    private final int[] received = new int[MAX_DESCRIPTORS];
    private final List<Fd> descriptors = new ArrayList<>();
    private int have;
    private boolean ended;

    MessageReader(UnixSocket socket) {
        this.socket = socket;
    }

    /** The next message, or null if it is not here yet or the stream has {@linkplain #hasEnded ended}. */
    Message read() throws ProtocolViolation {
        if (!fillTo(HEADER_BYTES)) {
            return null;
        }
        int size = checkedSize();
        if (!fillTo(HEADER_BYTES + size)) {
            return null;
        }
        byte[] payload = new byte[size];
        Memory.copyToArray(buffer.address() + HEADER_BYTES, payload, 0, size);
        Message message = new Message(
                Memory.getInt(buffer.address() + REQUEST_OFFSET),
                Memory.getInt(buffer.address() + FLAGS_OFFSET),
                ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN),
                new ArrayList<>(descriptors));
        descriptors.clear();
        have = 0;
        return message;
    }

    /** Whether the peer has closed its end; a message that was cut short is lost with it. */
    boolean hasEnded() {
        return ended;
    }

    /** Whether part of a message is here and the rest is not. */
    boolean isInsideMessage() {
        return have != 0;
    }

    @Override
    public void close() {
        descriptors.forEach(Fd::close);
        descriptors.clear();
        buffer.close();
    }

    private int checkedSize() throws ProtocolViolation {
        int flags = Memory.getInt(buffer.address() + FLAGS_OFFSET);
        if ((flags & VERSION_MASK) != VERSION) {
            throw new ProtocolViolation("a message has protocol version %d instead of 1", flags & VERSION_MASK);
        }
        if ((flags & ~(VERSION_MASK | REPLY | NEED_REPLY)) != 0) {
            throw new ProtocolViolation("a message has unknown flags 0x%x", flags);
        }
        long size = Memory.getUnsignedInt(buffer.address() + SIZE_OFFSET);
        if (size > MAX_PAYLOAD_BYTES) {
            throw new ProtocolViolation("a message of %d bytes is longer than any known one", size);
        }
        return (int) size;
    }

    private boolean fillTo(int wanted) throws ProtocolViolation {
        while (have < wanted) {
            int result = socket.receive(buffer.address() + have, wanted - have, received);
            if (result == -Errno.EINTR) {
                continue;
            }
            if (result < 0 && result != -Errno.EAGAIN && result != -Errno.ECONNRESET) {
                throw new ProtocolViolation("the socket failed: %s", Errno.name(result));
            }
            if (result == -Errno.EAGAIN) {
                return false;
            }
            if (result <= 0) {
                ended = true;
                return false;
            }
            takeDescriptors(have != 0);
            have += result;
        }
        return true;
    }

    private void takeDescriptors(boolean late) throws ProtocolViolation {
        int count = socket.receivedFds();
        for (int i = 0; i < count; i++) {
            descriptors.add(Fd.owning(received[i]));
        }
        if (socket.descriptorsLost()) {
            throw new ProtocolViolation(
                    "a message has more than %d descriptors, or the limit of open files is reached", MAX_DESCRIPTORS);
        }
        if (late && count != 0) {
            throw new ProtocolViolation("%d descriptors came in the middle of a message", count);
        }
    }
}
