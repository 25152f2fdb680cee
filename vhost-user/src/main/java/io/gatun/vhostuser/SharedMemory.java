package io.gatun.vhostuser;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryFile;
import io.gatun.vring.GuestMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory that a front-end shares with its back-end: one or more regions, each a memory file that is mapped here.
 *
 * <p>Guest addresses are chosen by the caller; the user address of a region is the address at which it is mapped in
 * this process. Files are sealed against shrinking, so that no back-end needs to fear us.
 *
 * <p>{@link #allocate} hands out pieces from the front and never takes them back: a front-end reserves everything while
 * it is being set up.
 *
 * <p><b>Thread-safety:</b> one thread at a time sets up and closes; the memory itself is for any thread.
 */
public final class SharedMemory implements AutoCloseable {
    /** One region; {@code hostAddress} is where it is mapped in this process, and its user address as well. */
    public static final class Region {
        private final MemoryFile file;
        private final Mapping mapping;
        private final long guestAddress;
        private long allocated;

        private Region(MemoryFile file, Mapping mapping, long guestAddress) {
            this.file = file;
            this.mapping = mapping;
            this.guestAddress = guestAddress;
        }

        public long guestAddress() {
            return guestAddress;
        }

        public long lengthBytes() {
            return mapping.lengthBytes();
        }

        public long hostAddress() {
            return mapping.address();
        }

        /** The file behind it, from its start. */
        public MemoryFile file() {
            return file;
        }

        Payload.MemoryRegion toPayload() {
            return new Payload.MemoryRegion(guestAddress, lengthBytes(), hostAddress(), 0);
        }

        private void close() {
            mapping.close();
            file.close();
        }
    }

    private static final long PAGE_BYTES = 4096;

    private final boolean huge;
    private final List<Region> regions = new ArrayList<>();

    private SharedMemory(boolean huge) {
        this.huge = huge;
    }

    /** Memory of ordinary pages, in one region; {@code lengthBytes} is rounded up to whole pages. */
    public static SharedMemory ofPages(long guestAddress, long lengthBytes) {
        SharedMemory memory = new SharedMemory(false);
        memory.addRegion(guestAddress, lengthBytes);
        return memory;
    }

    /**
     * Memory of hugepages, in one region; {@code lengthBytes} is rounded up to whole hugepages.
     *
     * @throws LinuxException if not enough of them are free
     */
    public static SharedMemory ofHugepages(long guestAddress, long lengthBytes) {
        SharedMemory memory = new SharedMemory(true);
        memory.addRegion(guestAddress, lengthBytes);
        return memory;
    }

    /** Hugepages if there are enough, else ordinary pages. */
    public static SharedMemory ofBestPages(long guestAddress, long lengthBytes) {
        try {
            return ofHugepages(guestAddress, lengthBytes);
        } catch (LinuxException tooFew) {
            return ofPages(guestAddress, lengthBytes);
        }
    }

    /** Adds a region of the same kind of pages; a back-end learns of it through {@link VhostUserFrontend#addRegion}. */
    public Region addRegion(long guestAddress, long lengthBytes) {
        long unit = huge ? hugepageBytes() : PAGE_BYTES;
        long rounded = (lengthBytes + unit - 1) / unit * unit;
        String name = "gatun-front-end";
        MemoryFile file = huge ? MemoryFile.createHuge(name, rounded) : MemoryFile.create(name, rounded);
        try {
            file.addSeals(MemoryFile.SEAL_SHRINK);
            Region region = new Region(file, file.map(), guestAddress);
            regions.add(region);
            return region;
        } catch (LinuxException e) {
            file.close();
            throw e;
        }
    }

    /** Unmaps a region that no back-end uses any more. */
    public void removeRegion(Region region) {
        if (regions.remove(region)) {
            region.close();
        }
    }

    public List<Region> regions() {
        return List.copyOf(regions);
    }

    /** Whether it lies on hugepages. */
    public boolean isHuge() {
        return huge;
    }

    /**
     * Reserves zeroed memory within one region.
     *
     * @param alignmentBytes a power of two
     * @return its host address
     * @throws IllegalArgumentException if no region has that much left
     */
    public long allocate(long lengthBytes, long alignmentBytes) {
        for (Region region : regions) {
            long start = (region.allocated + alignmentBytes - 1) & -alignmentBytes;
            if (start + lengthBytes <= region.lengthBytes()) {
                region.allocated = start + lengthBytes;
                return region.hostAddress() + start;
            }
        }
        throw new IllegalArgumentException(
                "no region has " + lengthBytes + " bytes left; share more memory with the back-end");
    }

    /** The guest address of a host address in here. */
    public long toGuest(long hostAddress) {
        for (Region region : regions) {
            long offset = hostAddress - region.hostAddress();
            if (offset >= 0 && offset < region.lengthBytes()) {
                return region.guestAddress + offset;
            }
        }
        throw new IllegalArgumentException(String.format("0x%x is not in shared memory", hostAddress));
    }

    /** This memory as a device in this process sees it. */
    public GuestMemory asGuestMemory() {
        return GuestMemory.of(regions.stream()
                .map(r -> new GuestMemory.Region(r.guestAddress, r.lengthBytes(), r.hostAddress(), r.hostAddress()))
                .toList());
    }

    @Override
    public void close() {
        regions.forEach(Region::close);
        regions.clear();
    }

    private static long hugepageBytes() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
                if (line.startsWith("Hugepagesize:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
        } catch (IOException e) {
            throw new LinuxException("read /proc/meminfo", Errno.EIO, "mount /proc");
        }
        throw new LinuxException("find the hugepage size in /proc/meminfo", Errno.ENODEV, "use ordinary pages");
    }
}
