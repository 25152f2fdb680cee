package io.gatun.daemon.bench;

import io.gatun.bdev.virtio.VirtioBlk;
import io.gatun.daemon.bench.BlkBenchOptions.Device;
import io.gatun.daemon.bench.BlkBenchOptions.Hugepages;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.FrontendException;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** What a run is aimed at: a disk of some size, reached through transports, one per queue. */
abstract class BlkTarget implements AutoCloseable {
    /** The size of the disk in bytes. */
    abstract long capacityBytes();

    /** The least unit of requests in bytes. */
    abstract int blockSizeBytes();

    /** The longest request in bytes: a request's data are one segment. */
    abstract long maxRequestBytes();

    abstract boolean isReadOnly();

    /** How many queues there are at most. */
    abstract int queueLimit();

    abstract boolean isHuge();

    /** Whether the server is still there. */
    abstract boolean isConnected();

    abstract BlkTransport transport(int queue);

    @Override
    public abstract void close();

    /** Connects to what the options name, and settles features and memory. */
    static BlkTarget open(BlkBenchOptions options) {
        return options.device() == Device.VHOST_USER ? new Vhost(options) : new Inline(options);
    }

    private static SharedMemory allocate(Hugepages hugepages, long guestAddress, long bytes) {
        return switch (hugepages) {
            case AUTO -> SharedMemory.ofBestPages(guestAddress, bytes);
            case ALWAYS -> SharedMemory.ofHugepages(guestAddress, bytes);
            case NEVER -> SharedMemory.ofPages(guestAddress, bytes);
        };
    }

    /** A vhost-user-blk server. */
    private static final class Vhost extends BlkTarget {
        /** Not 0, so that a server that mixes up its address spaces shows. */
        private static final long GUEST_ADDRESS = 1L << 32;

        private static final long WANTED = VirtioFeatures.VERSION_1
                | VirtioBlk.F_SIZE_MAX
                | VirtioBlk.F_SEG_MAX
                | VirtioBlk.F_RO
                | VirtioBlk.F_BLK_SIZE
                | VirtioBlk.F_FLUSH
                | VirtioBlk.F_MQ;

        private final BlkBenchOptions options;
        private final VhostUserFrontend device;
        private final SharedMemory memory;
        private final boolean readOnly;
        private final ByteBuffer config;
        private final boolean both;

        Vhost(BlkBenchOptions options) {
            this.options = options;
            this.both = options.verify() || (options.readPercent() != 0 && options.readPercent() != 100);
            this.device = connect(options);
            SharedMemory shared = null;
            try {
                long features = chooseFeatures();
                readOnly = (features & VirtioBlk.F_RO) != 0;
                device.negotiate(features);
                // The fields up to the number of queues: every server has them, and some refuse more than they have.
                config = ByteBuffer.wrap(device.readConfig(0, VirtioBlk.CONFIG_NUM_QUEUES + 2))
                        .order(ByteOrder.LITTLE_ENDIAN);
                shared = allocate(options.hugepages(), GUEST_ADDRESS, memoryBytes());
                device.shareMemory(shared);
                memory = shared;
            } catch (Throwable t) {
                device.close();
                if (shared != null) {
                    shared.close();
                }
                throw t;
            }
        }

        private static VhostUserFrontend connect(BlkBenchOptions options) {
            try {
                return VhostUserFrontend.connect(options.socket(), options.timeout());
            } catch (LinuxException | FrontendException e) {
                throw new BlkBenchException(e.getMessage(), e);
            }
        }

        private long chooseFeatures() {
            long offered = device.features();
            if (options.packed() && (offered & VirtioFeatures.RING_PACKED) == 0) {
                throw new BlkBenchException(options.socket() + " offers no packed rings; leave out --packed");
            }
            long wanted = WANTED
                    | (options.packed() ? VirtioFeatures.RING_PACKED : 0)
                    | (options.eventIdx() ? VirtioFeatures.EVENT_IDX : 0)
                    | (options.inOrder() ? VirtioFeatures.IN_ORDER : 0);
            return offered & wanted;
        }

        private long memoryBytes() {
            long ring = DriverQueue.memoryBytes(options.packed(), ringSize()) + DriverQueue.ALIGNMENT_BYTES;
            return options.queues()
                    * (ring + VhostTransport.memoryBytes(options.queueDepth(), options.blockSizeBytes()));
        }

        private int ringSize() {
            return VhostTransport.ringSize(options.queueDepth(), both);
        }

        @Override
        long capacityBytes() {
            return config.getLong(VirtioBlk.CONFIG_CAPACITY) << VirtioBlk.SECTOR_SHIFT;
        }

        @Override
        int blockSizeBytes() {
            boolean said = (device.negotiatedFeatures() & VirtioBlk.F_BLK_SIZE) != 0;
            return said ? config.getInt(VirtioBlk.CONFIG_BLK_SIZE) : VirtioBlk.SECTOR_BYTES;
        }

        @Override
        long maxRequestBytes() {
            boolean said = (device.negotiatedFeatures() & VirtioBlk.F_SIZE_MAX) != 0;
            long limit = said ? Integer.toUnsignedLong(config.getInt(VirtioBlk.CONFIG_SIZE_MAX)) : 0;
            // QEMU's storage daemon offers the feature and means no limit by 0.
            return limit == 0 ? Long.MAX_VALUE : limit;
        }

        @Override
        boolean isReadOnly() {
            return readOnly;
        }

        @Override
        int queueLimit() {
            boolean many = (device.negotiatedFeatures() & VirtioBlk.F_MQ) != 0;
            int said = many ? Short.toUnsignedInt(config.getShort(VirtioBlk.CONFIG_NUM_QUEUES)) : 1;
            return Math.min(said, device.queueLimit());
        }

        @Override
        boolean isHuge() {
            return memory.isHuge();
        }

        @Override
        boolean isConnected() {
            return device.isConnected();
        }

        @Override
        BlkTransport transport(int queue) {
            boolean reads = both || options.readPercent() == 100;
            boolean writes = both || options.readPercent() == 0;
            return new VhostTransport(
                    device.startQueue(queue, ringSize()),
                    memory,
                    options.queueDepth(),
                    options.blockSizeBytes(),
                    reads,
                    writes,
                    options.verify());
        }

        @Override
        public void close() {
            device.close();
            memory.close();
        }
    }

    /** RAM in this process, or nothing. */
    private static final class Inline extends BlkTarget {
        private static final long DEFAULT_BYTES = 256 << 20;

        private final BlkBenchOptions options;
        private final long capacity;
        private final SharedMemory memory;
        private final long disk;

        Inline(BlkBenchOptions options) {
            this.options = options;
            capacity = options.spanBytes() == 0 ? DEFAULT_BYTES : options.spanBytes();
            boolean copies = options.device() == Device.MEMCPY;
            long buffers = (long) options.queues() * options.queueDepth() * options.blockSizeBytes();
            memory = allocate(options.hugepages(), 0, buffers + (copies ? capacity : 0));
            disk = copies ? memory.allocate(capacity, 4096) : 0;
            if (copies) {
                // Every page exists before anything is measured.
                Memory.fill(disk, capacity, (byte) 1);
            }
        }

        @Override
        long capacityBytes() {
            return capacity;
        }

        @Override
        int blockSizeBytes() {
            return VirtioBlk.SECTOR_BYTES;
        }

        @Override
        long maxRequestBytes() {
            return Long.MAX_VALUE;
        }

        @Override
        boolean isReadOnly() {
            return false;
        }

        @Override
        int queueLimit() {
            return options.queues();
        }

        @Override
        boolean isHuge() {
            return memory.isHuge();
        }

        @Override
        boolean isConnected() {
            return true;
        }

        @Override
        BlkTransport transport(int queue) {
            long bytes = (long) options.queueDepth() * options.blockSizeBytes();
            long data = memory.allocate(bytes, VirtioBlk.SECTOR_BYTES);
            Memory.fill(data, bytes, (byte) 2);
            return new InlineTransport(disk, data, options.queueDepth(), options.blockSizeBytes());
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
