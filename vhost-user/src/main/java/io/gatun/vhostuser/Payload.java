package io.gatun.vhostuser;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * The structures that payloads carry. Reading trusts the payload's length, which {@link RequestRule} has checked, and
 * no value.
 */
sealed interface Payload {
    /** Bytes for a message: zeroed padding included. */
    ByteBuffer encode();

    /** An index and a number: size, base, enable. */
    record VringState(int index, int num) implements Payload {
        static VringState read(ByteBuffer payload) {
            return new VringState(payload.getInt(0), payload.getInt(4));
        }

        @Override
        public ByteBuffer encode() {
            return Message.buffer(MessageLayout.VRING_STATE_BYTES).putInt(0, index).putInt(4, num);
        }
    }

    /** Where a ring's three parts lie, as user addresses. */
    record VringAddress(int index, int flags, long descriptor, long used, long available, long log) implements Payload {
        static VringAddress read(ByteBuffer payload) {
            return new VringAddress(
                    payload.getInt(0),
                    payload.getInt(4),
                    payload.getLong(8),
                    payload.getLong(16),
                    payload.getLong(24),
                    payload.getLong(32));
        }

        @Override
        public ByteBuffer encode() {
            return Message.buffer(MessageLayout.VRING_ADDRESS_BYTES)
                    .putInt(0, index)
                    .putInt(4, flags)
                    .putLong(8, descriptor)
                    .putLong(16, used)
                    .putLong(24, available)
                    .putLong(32, log);
        }
    }

    /** One region of guest memory and where it lies in the file that came with it. */
    record MemoryRegion(long guestAddress, long lengthBytes, long userAddress, long fileOffset) implements Payload {
        static MemoryRegion read(ByteBuffer payload, int at) {
            return new MemoryRegion(
                    payload.getLong(at), payload.getLong(at + 8), payload.getLong(at + 16), payload.getLong(at + 24));
        }

        /** The regions of a memory table, whose count {@link RequestRule} has compared with the payload's length. */
        static List<MemoryRegion> readTable(ByteBuffer payload) {
            List<MemoryRegion> regions = new ArrayList<>();
            for (int i = 0; i < payload.getInt(0); i++) {
                regions.add(read(payload, MessageLayout.TABLE_HEADER_BYTES + i * MessageLayout.REGION_BYTES));
            }
            return regions;
        }

        static ByteBuffer encodeTable(List<MemoryRegion> regions) {
            int bytes = MessageLayout.TABLE_HEADER_BYTES + regions.size() * MessageLayout.REGION_BYTES;
            ByteBuffer table = Message.buffer(bytes).putInt(0, regions.size());
            for (int i = 0; i < regions.size(); i++) {
                regions.get(i).write(table, MessageLayout.TABLE_HEADER_BYTES + i * MessageLayout.REGION_BYTES);
            }
            return table;
        }

        /** As a single region: eight bytes of padding, then the region. */
        @Override
        public ByteBuffer encode() {
            ByteBuffer single = Message.buffer(MessageLayout.SINGLE_REGION_BYTES);
            write(single, 8);
            return single;
        }

        private void write(ByteBuffer target, int at) {
            target.putLong(at, guestAddress)
                    .putLong(at + 8, lengthBytes)
                    .putLong(at + 16, userAddress)
                    .putLong(at + 24, fileOffset);
        }
    }

    /** The buffer that remembers requests in flight: how it is mapped and what it covers. */
    record Inflight(long mmapBytes, long mmapOffset, int queues, int queueSize) implements Payload {
        static Inflight read(ByteBuffer payload) {
            return new Inflight(
                    payload.getLong(0),
                    payload.getLong(8),
                    Short.toUnsignedInt(payload.getShort(16)),
                    Short.toUnsignedInt(payload.getShort(18)));
        }

        @Override
        public ByteBuffer encode() {
            return Message.buffer(MessageLayout.INFLIGHT_BYTES)
                    .putLong(0, mmapBytes)
                    .putLong(8, mmapOffset)
                    .putShort(16, (short) queues)
                    .putShort(18, (short) queueSize);
        }
    }

    /** A piece of the configuration space: {@code bytes} from position 0 to its limit. */
    record Config(int offset, int flags, ByteBuffer bytes) implements Payload {
        static Config read(ByteBuffer payload) {
            int start = MessageLayout.CONFIG_HEADER_BYTES;
            return new Config(payload.getInt(0), payload.getInt(8), payload.slice(start, payload.limit() - start));
        }

        @Override
        public ByteBuffer encode() {
            return Message.buffer(MessageLayout.CONFIG_HEADER_BYTES + bytes.limit())
                    .putInt(0, offset)
                    .putInt(4, bytes.limit())
                    .putInt(8, flags)
                    .put(MessageLayout.CONFIG_HEADER_BYTES, bytes, 0, bytes.limit());
        }
    }
}
