package io.gatun.nvme.bdev;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.bdev.FaultLog;
import io.gatun.linux.LinuxException;
import io.gatun.nvme.ControllerData;
import io.gatun.nvme.NamespaceData;
import io.gatun.nvme.NvmeNamespace;
import io.gatun.reactor.Reactor;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A namespace as a block device.
 *
 * <p>The drive reads and writes the memory of requests itself, if it reaches it: memory of a front-end is made
 * reachable as it comes ({@link #memoryAdded}). What the drive does not reach, or cannot be told of in commands of
 * whole blocks, is copied through buffers of our own, and counted ({@link #bouncedCommands}).
 *
 * <p>A namespace whose block size changes stops being this device: everything fails from then on.
 *
 * <p><b>Thread-safety:</b> as {@link Bdev}.
 */
public final class NvmeBdev implements Bdev {
    private static final Logger LOG = LoggerFactory.getLogger(NvmeBdev.class);

    /** More is no use as an alignment: a request of a guest is seldom larger. */
    private static final int MAX_PHYSICAL_BLOCK_BYTES = 1 << 20;

    final NvmeNamespace namespace;
    final int blockShift;
    final FaultLog log;
    final AtomicLong bounced = new AtomicLong();

    private final NvmeDrive drive;
    private final String name;
    private final long boundaryBytes;
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private volatile long blockCount;
    private volatile boolean usable = true;
    private volatile boolean closed;

    NvmeBdev(NvmeDrive drive, String name, NvmeNamespace namespace) {
        this.drive = drive;
        this.name = name;
        this.namespace = namespace;
        NamespaceData data = namespace.data();
        blockShift = data.currentFormat().blockShift();
        blockCount = data.blockCount();
        boundaryBytes = (long) data.optimalBoundaryBlocks() << blockShift;
        log = new FaultLog(name + " (" + namespace + ")");
    }

    public NvmeNamespace namespace() {
        return namespace;
    }

    public NvmeDrive drive() {
        return drive;
    }

    /** How many commands had their data copied. */
    public long bouncedCommands() {
        return bounced.get();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String productName() {
        return "NVMe disk";
    }

    @Override
    public UUID uuid() {
        return namespace.uuid();
    }

    @Override
    public int blockSizeBytes() {
        return 1 << blockShift;
    }

    /** The namespace's preferred write granularity, as far as it is a power of two, and 1 MiB at most. */
    @Override
    public int physicalBlockSizeBytes() {
        long bytes = (long) Integer.lowestOneBit(namespace.data().writeGranularityBlocks()) << blockShift;
        return (int) Math.min(bytes, MAX_PHYSICAL_BLOCK_BYTES);
    }

    @Override
    public long blockCount() {
        return blockCount;
    }

    @Override
    public boolean readOnly() {
        return namespace.data().isWriteProtected();
    }

    @Override
    public boolean writeCache() {
        return controllerData().hasVolatileWriteCache();
    }

    @Override
    public boolean supports(int operation) {
        return switch (operation) {
            case BdevRequest.READ, BdevRequest.FLUSH -> true;
            case BdevRequest.WRITE -> !readOnly();
            case BdevRequest.DISCARD -> !readOnly() && controllerData().supportsDatasetManagement();
            case BdevRequest.WRITE_ZEROES -> !readOnly() && controllerData().supportsWriteZeroes();
            default -> false;
        };
    }

    private ControllerData controllerData() {
        return namespace.controller().data();
    }

    /** Bytes that one command must not cross a multiple of, to be fast; 0 for no such. */
    long boundaryBytes() {
        return boundaryBytes;
    }

    /** Whether the namespace is there now, and has blocks of the size it had. */
    public boolean isUsable() {
        return usable;
    }

    @Override
    public BdevChannel openChannel(Reactor reactor) {
        if (closed) {
            throw new IllegalStateException("block device " + name + " is closed");
        }
        return new NvmeChannel(this, reactor, drive.openQueue(reactor));
    }

    @Override
    public Registration onResize(Runnable listener) {
        Listener once = new Listener(listener);
        listeners.add(once);
        return () -> listeners.remove(once);
    }

    /** Lets the drive reach the memory; what it cannot be given is copied, and the log says why. */
    @Override
    public void memoryAdded(long address, long lengthBytes) {
        try {
            namespace.controller().memory().map(address, lengthBytes);
        } catch (LinuxException | IllegalArgumentException | IllegalStateException e) {
            LOG.warn("{}: data of {} bytes of memory has to be copied: {}", name, lengthBytes, e.getMessage());
        }
    }

    @Override
    public void memoryRemoved(long address) {
        try {
            namespace.controller().memory().unmap(address);
        } catch (IllegalArgumentException neverMapped) {
            LOG.debug("{}: {}", name, neverMapped.getMessage());
        }
    }

    /** The namespace may have changed. */
    void lookAgain() {
        usable = namespace.isActive() && namespace.blockShift() == blockShift;
        if (usable) {
            long now = namespace.blockCount();
            if (now != blockCount) {
                LOG.info("{}: {} blocks, before {}", name, now, blockCount);
                blockCount = now;
                listeners.forEach(l -> l.action.run());
            }
        } else {
            log.report("its namespace is gone or has another block size: everything fails from now on");
        }
    }

    /** Refuses new channels; the controller is the drive's. */
    @Override
    public void close() {
        closed = true;
    }

    /** Makes two registrations of one action two. */
    private static final class Listener {
        private final Runnable action;

        private Listener(Runnable action) {
            this.action = action;
        }
    }

    @Override
    public String toString() {
        return "nvme:" + name;
    }
}
