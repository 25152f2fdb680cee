package io.gatun.vhostuser;

import io.gatun.linux.Fd;
import io.gatun.linux.FileStatus;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryFile;
import io.gatun.vhostuser.Payload.MemoryRegion;
import io.gatun.vring.GuestMemory;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The memory regions that a front-end shares, mapped: an immutable list, of which each change makes a new one.
 *
 * <p>A region is mapped only after its file was found to be long enough, because a touch past a file's end is a fault.
 * What a front-end truncates later is met where it is touched (see {@link VringWorker}); a file sealed against
 * shrinking cannot be.
 *
 * <p><b>Thread-safety:</b> immutable; mappings are closed by the session once no reactor can see them.
 */
record MemoryTable(List<Region> regions, GuestMemory guestMemory) {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryTable.class);

    static final MemoryTable EMPTY = new MemoryTable(List.of(), GuestMemory.EMPTY);

    /** File offsets have to be a multiple of this; pages of hugetlbfs are larger, and mapped whole. */
    private static final long PAGE_BYTES = 4096;

    /** One mapped region, and how often it was added less how often it was removed. */
    record Region(MemoryRegion described, Mapping mapping, long hostAddress, int uses) {
        Region used(int times) {
            return new Region(described, mapping, hostAddress, times);
        }

        GuestMemory.Region forGuest() {
            return new GuestMemory.Region(
                    described.guestAddress(), described.lengthBytes(), described.userAddress(), hostAddress);
        }
    }

    /** A table of these regions alone; descriptors stay the caller's, and nothing stays mapped where this throws. */
    static MemoryTable of(List<MemoryRegion> described, List<Fd> files, boolean requireSealed)
            throws ProtocolViolation {
        List<Region> mapped = new ArrayList<>();
        try {
            for (int i = 0; i < described.size(); i++) {
                mapped.add(map(described.get(i), files.get(i), requireSealed));
            }
            return checked(mapped);
        } catch (ProtocolViolation | RuntimeException e) {
            mapped.forEach(r -> r.mapping().close());
            throw e;
        }
    }

    /**
     * This table and one region more ({@code ADD_MEM_REG}). QEMU before 8.0 adds and removes each region once per queue
     * pair, so a region that is there already, exactly so, is counted.
     */
    MemoryTable with(MemoryRegion described, Fd file, boolean requireSealed) throws ProtocolViolation {
        for (Region region : regions) {
            if (region.described().equals(described) && region.uses() < MessageLayout.MAX_MEMORY_SLOTS) {
                return replacing(region, region.uses() + 1);
            }
        }
        if (regions.size() >= MessageLayout.MAX_MEMORY_SLOTS) {
            throw new ProtocolViolation("all %d memory slots are in use", MessageLayout.MAX_MEMORY_SLOTS);
        }
        Region added = map(described, file, requireSealed);
        try {
            List<Region> all = new ArrayList<>(regions);
            all.add(added);
            return checked(all);
        } catch (ProtocolViolation | RuntimeException e) {
            added.mapping().close();
            throw e;
        }
    }

    /** The region that {@code REM_MEM_REG} describes: by guest address, user address and length. */
    Region find(MemoryRegion wanted) throws ProtocolViolation {
        for (Region region : regions) {
            MemoryRegion have = region.described();
            if (have.guestAddress() == wanted.guestAddress()
                    && have.userAddress() == wanted.userAddress()
                    && have.lengthBytes() == wanted.lengthBytes()) {
                return region;
            }
        }
        throw new ProtocolViolation(
                "REM_MEM_REG names guest address 0x%x, 0x%x bytes, which is not in the table",
                wanted.guestAddress(), wanted.lengthBytes());
    }

    /** This table with a region removed once ({@code REM_MEM_REG}): still there if it was added more often. */
    MemoryTable without(Region region) throws ProtocolViolation {
        if (region.uses() > 1) {
            return replacing(region, region.uses() - 1);
        }
        return checked(regions.stream().filter(r -> !r.equals(region)).toList());
    }

    private MemoryTable replacing(Region region, int uses) {
        List<Region> all = new ArrayList<>(regions);
        all.set(all.indexOf(region), region.used(uses));
        return new MemoryTable(List.copyOf(all), guestMemory);
    }

    List<Mapping> mappings() {
        return regions.stream().map(Region::mapping).toList();
    }

    private static MemoryTable checked(List<Region> regions) throws ProtocolViolation {
        try {
            return new MemoryTable(
                    List.copyOf(regions),
                    GuestMemory.of(regions.stream().map(Region::forGuest).toList()));
        } catch (IllegalArgumentException e) {
            throw new ProtocolViolation(e.getMessage());
        }
    }

    private static Region map(MemoryRegion region, Fd file, boolean requireSealed) throws ProtocolViolation {
        checkRange(region);
        try {
            FileStatus status = FileStatus.known(file);
            long end = region.fileOffset() + region.lengthBytes();
            if (!status.isRegular() || status.lengthBytes() < end) {
                throw new ProtocolViolation(
                        "memory at guest address 0x%x needs a file of 0x%x bytes; its file has 0x%x",
                        region.guestAddress(), end, status.isRegular() ? status.lengthBytes() : 0);
            }
            checkSeals(region, file, requireSealed);
            // Hugetlbfs maps whole pages only; its page size is its block size.
            long block = Math.max(PAGE_BYTES, status.blockSizeBytes());
            long start = region.fileOffset() / block * block;
            long length = Math.ceilDiv(end - start, block) * block;
            Mapping mapping = Mapping.shared(file, start, length);
            return new Region(region, mapping, mapping.address() + (region.fileOffset() - start), 1);
        } catch (LinuxException e) {
            throw new ProtocolViolation("memory at guest address 0x%x: %s", region.guestAddress(), e.getMessage());
        }
    }

    private static void checkRange(MemoryRegion region) throws ProtocolViolation {
        long length = region.lengthBytes();
        long offset = region.fileOffset();
        if (length <= 0 || offset < 0 || offset + length < 0 || offset + length > Long.MAX_VALUE - (1L << 40)) {
            throw new ProtocolViolation(
                    "memory at guest address 0x%x has length 0x%x and file offset 0x%x, which is out of range",
                    region.guestAddress(), length, offset);
        }
        if (offset % PAGE_BYTES != 0) {
            throw new ProtocolViolation(
                    "memory at guest address 0x%x has file offset 0x%x, which is not on a page",
                    region.guestAddress(), offset);
        }
    }

    @SuppressWarnings("resource") // The descriptor stays the caller's.
    private static int sealsOf(Fd file) {
        return MemoryFile.owning(file).seals();
    }

    private static void checkSeals(MemoryRegion region, Fd file, boolean required) throws ProtocolViolation {
        int seals = sealsOf(file);
        if (seals >= 0 && (seals & MemoryFile.SEAL_SHRINK) != 0) {
            return;
        }
        if (required) {
            throw new ProtocolViolation(
                    "memory at guest address 0x%x is not sealed against shrinking, which is required here;"
                            + " let the front-end use a memfd with F_SEAL_SHRINK",
                    region.guestAddress());
        }
        LOG.debug("memory at guest address {} could be truncated by its owner", region.guestAddress());
    }
}
