package io.gatun.vhostuser;

import io.gatun.linux.Fd;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * One whole vhost-user message, either direction. It owns the attached descriptors that nobody has {@linkplain
 * #takeDescriptor taken}.
 *
 * @param request the number in {@link Request}
 * @param flags version, reply and need-reply bits
 * @param payload all of it, from position 0 to its limit, little-endian
 * @param descriptors attached and not taken, in order
 */
record Message(int request, int flags, ByteBuffer payload, List<Fd> descriptors) implements AutoCloseable {
    /** A request without a payload. */
    static Message request(int request) {
        return request(request, buffer(0));
    }

    /** A request with one number. */
    static Message request(int request, long value) {
        return request(request, u64(value));
    }

    static Message request(int request, ByteBuffer payload, Fd... descriptors) {
        return new Message(request, MessageLayout.REQUEST_FLAGS, payload, new ArrayList<>(List.of(descriptors)));
    }

    static Message reply(int request, ByteBuffer payload, Fd... descriptors) {
        return new Message(request, MessageLayout.REPLY_FLAGS, payload, new ArrayList<>(List.of(descriptors)));
    }

    static Message reply(int request, long value) {
        return reply(request, u64(value));
    }

    static ByteBuffer u64(long value) {
        return buffer(MessageLayout.U64_BYTES).putLong(0, value);
    }

    /** A zeroed payload in the protocol's byte order. */
    static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    boolean needsReply() {
        return (flags & MessageLayout.NEED_REPLY) != 0;
    }

    boolean isReply() {
        return (flags & MessageLayout.REPLY) != 0;
    }

    int size() {
        return payload.limit();
    }

    /** The payload as one number; it has {@link MessageLayout#U64_BYTES}. */
    long u64() {
        return payload.getLong(0);
    }

    /** The first attached descriptor, which is the caller's from here on. */
    Fd takeDescriptor() {
        return descriptors.removeFirst();
    }

    /** Header and payload as they go over the socket; the descriptors go beside them. */
    byte[] encode() {
        byte[] bytes = new byte[MessageLayout.HEADER_BYTES + size()];
        ByteBuffer whole = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        whole.putInt(request).putInt(flags).putInt(size()).put(payload.duplicate().rewind());
        return bytes;
    }

    @Override
    public void close() {
        descriptors.forEach(Fd::close);
    }
}
