package io.gatun.bdev.virtio;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.bdev.FaultLog;
import io.gatun.bdev.RateLimit;
import io.gatun.linux.Errno;
import io.gatun.vhostuser.DeviceEvents;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.VirtioDevice;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.VirtioFeatures;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A block device as a virtio-blk device: features, configuration space, and a {@link VirtioBlkQueue} per queue.
 *
 * <p>The block device stays its owner's, who closes it after this device's sessions have ended.
 *
 * <p><b>Thread-safety:</b> as {@link VirtioDevice} says; {@link #counters} may be called from any thread.
 */
public final class VirtioBlkDevice implements VirtioDevice {
    private static final int STATE_WRITETHROUGH = 1;
    private static final int STATE_WRITEBACK = 2;

    private final Bdev bdev;
    private final VirtioBlkOptions options;
    private final List<BlkCounters> counters;
    private final byte[] id;
    private final FaultLog log;

    // The control thread's.
    private DeviceEvents events;
    private Bdev.Registration resizes;
    private long negotiated;

    /** Whether the cache is in writeback mode: the config field, 0 or 1. */
    private boolean writeback;

    /** Whether a write is made durable before it completes. Written by the control thread, read for every write. */
    private volatile boolean writesThrough;

    /** Null where nothing is limited; looked at once per burst. */
    private volatile RateLimit rateLimit;

    public VirtioBlkDevice(Bdev bdev, VirtioBlkOptions options) {
        this.bdev = bdev;
        this.options = options;
        this.id = options.id();
        this.log = new FaultLog("virtio-blk on " + bdev.name());
        this.writeback = options.writeCache();
        counters = IntStream.range(0, options.queues())
                .mapToObj(i -> new BlkCounters())
                .toList();
        chooseWriteMode();
    }

    /** Limits the rate of requests and bytes from now on, or no longer where {@code limit} is null; any thread. */
    public void limit(RateLimit limit) {
        rateLimit = limit;
    }

    RateLimit rateLimit() {
        return rateLimit;
    }

    @Override
    public long features() {
        long features = VirtioFeatures.VERSION_1
                | VirtioFeatures.INDIRECT_DESC
                | VirtioFeatures.EVENT_IDX
                | VirtioBlk.F_SIZE_MAX
                | VirtioBlk.F_SEG_MAX
                | VirtioBlk.F_GEOMETRY
                | VirtioBlk.F_BLK_SIZE
                | VirtioBlk.F_TOPOLOGY
                | VirtioBlk.F_FLUSH
                | VirtioBlk.F_CONFIG_WCE
                | VirtioBlk.F_MQ;
        if (options.packed()) {
            features |= VirtioFeatures.RING_PACKED;
        }
        if (readOnly()) {
            return features | VirtioBlk.F_RO;
        }
        if (bdev.supports(BdevRequest.DISCARD)) {
            features |= VirtioBlk.F_DISCARD;
        }
        if (bdev.supports(BdevRequest.WRITE_ZEROES)) {
            features |= VirtioBlk.F_WRITE_ZEROES;
        }
        return features;
    }

    @Override
    public int queueCount() {
        return options.queues();
    }

    @Override
    public int configLength() {
        return VirtioBlk.CONFIG_BYTES;
    }

    @Override
    public void readConfig(byte[] target) {
        BlkConfig.write(target, bdev, options.queues(), writeback);
    }

    /**
     * Only {@code writeback} is the driver's to write, to 0 or 1 (§5.2.4); a migrated device's other fields are ours.
     */
    @Override
    public int writeConfig(int offset, byte[] value, boolean migration) {
        int at = VirtioBlk.CONFIG_WRITEBACK - offset;
        boolean covered = at >= 0 && at < value.length;
        if (!covered) {
            return migration ? 0 : -Errno.EINVAL;
        }
        if (!migration && (value.length != 1 || !VirtioFeatures.has(features(), VirtioBlk.F_CONFIG_WCE))) {
            return -Errno.EINVAL;
        }
        if ((value[at] & ~1) != 0) {
            return -Errno.EINVAL;
        }
        writeback = value[at] == 1;
        chooseWriteMode();
        return 0;
    }

    /** The front-end shows the guest the mode that it chose, and tells a successor of ours nothing of it. */
    @Override
    public int driverState() {
        return writeback ? STATE_WRITEBACK : STATE_WRITETHROUGH;
    }

    @Override
    public void restoreDriverState(int state) {
        if (state == STATE_WRITEBACK || state == STATE_WRITETHROUGH) {
            writeback = state == STATE_WRITEBACK;
            chooseWriteMode();
        }
    }

    @Override
    public void attached(DeviceEvents deviceEvents, long features) {
        events = deviceEvents;
        if (features != negotiated) {
            negotiated = features;
            // "If CONFIG_WCE is negotiated but FLUSH is not, the device must initialise writeback to 0" (§5.2.5.2).
            boolean cannotFlush = VirtioFeatures.has(features, VirtioBlk.F_CONFIG_WCE)
                    && !VirtioFeatures.has(features, VirtioBlk.F_FLUSH);
            if (cannotFlush) {
                writeback = false;
            }
        }
        chooseWriteMode();
        if (resizes == null) {
            resizes = bdev.onResize(this::resized);
        }
    }

    @Override
    public void detached() {
        if (resizes != null) {
            resizes.close();
            resizes = null;
        }
        events = null;
        negotiated = 0;
    }

    @Override
    public void reset() {
        writeback = options.writeCache();
        negotiated = 0;
        chooseWriteMode();
    }

    @Override
    public void memoryAdded(long address, long lengthBytes) {
        bdev.memoryAdded(address, lengthBytes);
    }

    @Override
    public void memoryRemoved(long address) {
        bdev.memoryRemoved(address);
    }

    @Override
    public QueueHandler startQueue(int index, Vring vring) {
        BdevChannel channel = bdev.openChannel(vring.reactor());
        return new VirtioBlkQueue(this, vring, channel, counters.get(index));
    }

    /** What the queues have done since the device was made, by queue. */
    public List<BlkCounters> counters() {
        return counters;
    }

    public Bdev bdev() {
        return bdev;
    }

    public VirtioBlkOptions options() {
        return options;
    }

    /** Whether the guest is shown a read-only disk. */
    public boolean readOnly() {
        return options.readOnly() || bdev.readOnly();
    }

    /**
     * A driver that took neither CONFIG_WCE nor FLUSH cannot ask for durability, so every write has it (§5.2.6.2);
     * others get it in writethrough mode. A medium without a volatile cache needs nothing.
     */
    private void chooseWriteMode() {
        boolean driverFlushes = (negotiated & (VirtioBlk.F_CONFIG_WCE | VirtioBlk.F_FLUSH)) != 0;
        writesThrough = bdev.writeCache() && !(driverFlushes && writeback);
    }

    private void resized() {
        DeviceEvents current = events;
        if (current != null) {
            current.configChanged();
        }
    }

    boolean writesThrough() {
        return writesThrough;
    }

    boolean supports(int operation) {
        return bdev.supports(operation);
    }

    int blockSectors() {
        return bdev.blockSizeBytes() / VirtioBlk.SECTOR_BYTES;
    }

    long capacitySectors() {
        return bdev.capacityBytes() >>> VirtioBlk.SECTOR_SHIFT;
    }

    byte[] id() {
        return id;
    }

    /** Reports a guest's bad request, rarely enough to do no harm. */
    void refused(int queueIndex, String reason) {
        log.report("queue " + queueIndex + " refused " + reason);
    }
}
