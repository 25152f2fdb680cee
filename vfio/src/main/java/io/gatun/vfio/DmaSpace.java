package io.gatun.vfio;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * The memory that a device, or the devices of one IOMMU context, can reach, and under which addresses: behind an IOMMU
 * (VFIO, iommufd), as physical memory (UIO, VFIO without an IOMMU), or as a device that is software sees it.
 *
 * <p>Translation reads an immutable snapshot, so that it needs no lock; a range is taken away only after everyone who
 * might have translated into it has passed a point of quiescence and the device has completed what it was given. That
 * is the caller's duty: a device is not stopped here.
 *
 * <p><b>Thread-safety:</b> any method from any thread; {@link #translate} and {@link #contiguousBytes} neither lock nor
 * allocate.
 */
public abstract class DmaSpace implements AutoCloseable {
    /** What an address that the device cannot reach translates to. */
    public static final long UNMAPPED = -1;

    /** Ranges are multiples of this. */
    public static final long PAGE_BYTES = 4096;

    private final Object lock = new Object();
    private final TreeMap<Long, Mapped> mapped = new TreeMap<>();
    private boolean closed;
    private volatile DmaTable table = DmaTable.EMPTY;

    private static final class Mapped {
        final DmaRegion region;
        int count = 1;

        Mapped(DmaRegion region) {
            this.region = region;
        }
    }

    protected DmaSpace() {}

    /**
     * Zeroed memory of our own that the device reaches, page aligned; {@link DmaBuffer#close} takes it back.
     *
     * @param lengthBytes at least 1; rounded up to whole pages
     * @throws io.gatun.linux.LinuxException with the remedy
     */
    public abstract DmaBuffer allocate(long lengthBytes);

    /**
     * Lets the device reach memory that is mapped in this process, for reading and writing, until as many calls of
     * {@link #unmap} have undone it. The same range may be mapped again, which is counted.
     *
     * @throws io.gatun.linux.LinuxException with the remedy, where the kernel refuses
     * @throws IllegalArgumentException for a range that is not of whole pages, or overlaps another
     */
    public final void map(long address, long lengthBytes) {
        if (((address | lengthBytes) & PAGE_BYTES - 1) != 0 || lengthBytes <= 0 || address <= 0) {
            throw new IllegalArgumentException(
                    String.format("a device reaches whole pages, not 0x%x bytes at 0x%x", lengthBytes, address));
        }
        synchronized (lock) {
            if (closed) {
                throw new IllegalStateException(this + " is closed");
            }
            Mapped same = mapped.get(address);
            if (same != null && same.region.lengthBytes() == lengthBytes) {
                same.count++;
                return;
            }
            requireApart(address, lengthBytes);
            mapped.put(address, new Mapped(attach(address, lengthBytes)));
            publish();
        }
    }

    /** Undoes one {@link #map} of the range that starts at {@code address}. */
    public final void unmap(long address) {
        synchronized (lock) {
            if (closed) {
                return; // nothing is reached any more
            }
            Mapped found = mapped.get(address);
            if (found == null) {
                throw new IllegalArgumentException(String.format("nothing is mapped at 0x%x", address));
            }
            if (--found.count == 0) {
                mapped.remove(address);
                publish();
                detach(found.region);
            }
        }
    }

    /** The device's address of an address of this process, or {@link #UNMAPPED}. */
    public final long translate(long address) {
        DmaRegion region = table.find(address);
        return region == null ? UNMAPPED : region.translate(address);
    }

    /**
     * How many bytes from {@code address} on the device finds at one stretch, at least: to the end of the page in
     * physical memory, of the range behind an IOMMU; 0 where it reaches nothing.
     */
    public final long contiguousBytes(long address) {
        DmaRegion region = table.find(address);
        return region == null ? 0 : region.contiguousBytes(address);
    }

    /** How many bytes the device reaches now. */
    public final long mappedBytes() {
        synchronized (lock) {
            return mapped.values().stream().mapToLong(m -> m.region.lengthBytes()).sum();
        }
    }

    /** Takes all memory from the device. Buffers that are still open then only give their memory back. */
    @Override
    public final void close() {
        synchronized (lock) {
            if (closed) {
                return;
            }
            closed = true;
            List<Mapped> rest = new ArrayList<>(mapped.values());
            mapped.clear();
            publish();
            rest.forEach(m -> detach(m.region));
            release();
        }
    }

    /** Lets the device reach a range and says where it finds it; throws with the remedy. Called under a lock. */
    protected abstract DmaRegion attach(long address, long lengthBytes);

    /** Takes a range from the device; called under a lock, after the range is out of the snapshot. */
    protected abstract void detach(DmaRegion region);

    /** Gives back what the space itself holds; called once, under a lock, after the last range was taken. */
    protected void release() {}

    /** Does something for each range that is mapped now, under the lock. */
    protected final void forEachRegion(Consumer<DmaRegion> action) {
        synchronized (lock) {
            mapped.values().forEach(m -> action.accept(m.region));
        }
    }

    /** Does something that neither {@link #attach} nor {@link #detach} may meet. */
    protected final void exclusively(Runnable action) {
        synchronized (lock) {
            action.run();
        }
    }

    private void requireApart(long address, long lengthBytes) {
        Map.Entry<Long, Mapped> before = mapped.lowerEntry(address + lengthBytes);
        if (before != null && before.getKey() + before.getValue().region.lengthBytes() > address) {
            throw new IllegalArgumentException(String.format(
                    "0x%x bytes at 0x%x overlap what is mapped: %s", lengthBytes, address, before.getValue().region));
        }
    }

    private void publish() {
        table = DmaTable.of(mapped.values().stream().map(m -> m.region).toList());
    }
}
