package io.gatun.vring;

import java.util.Comparator;
import java.util.List;

/**
 * An immutable, sorted snapshot of the memory a front-end shares: the one place where its addresses become host
 * addresses.
 *
 * <p>A range is translated only if it lies wholly inside one region; ranges that cross regions are never assumed
 * contiguous (see {@link #contiguousBytes}). Two address spaces lead here: guest physical addresses (buffers) and the
 * front-end's own virtual addresses (rings, in vhost-user). Mappings are owned elsewhere and outlive every user of the
 * snapshot.
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class GuestMemory {
    /** What a translation returns for a range that is not wholly inside one region. */
    public static final long UNMAPPED = -1;

    /** Memory without any region. */
    public static final GuestMemory EMPTY = new GuestMemory(List.of());

    private final List<Region> regions;

    // The fields of `regions`, flat, for the path that every descriptor takes.
    private final long[] guestStarts;
    private final long[] userStarts;
    private final long[] lengths;
    private final long[] hostStarts;

    /**
     * One shared range.
     *
     * @param guestAddress first guest physical address (unsigned)
     * @param lengthBytes length, at least one byte
     * @param userAddress first address in the front-end's virtual address space (unsigned)
     * @param hostAddress where the range is mapped in this process
     */
    public record Region(long guestAddress, long lengthBytes, long userAddress, long hostAddress) {
        /** Refuses empty ranges and ranges that wrap around either address space. */
        public Region {
            if (lengthBytes <= 0) {
                throw new IllegalArgumentException("region length must be positive, not " + lengthBytes);
            }
            requireNoWrap("guest", guestAddress, lengthBytes);
            requireNoWrap("user", userAddress, lengthBytes);
            if (hostAddress < 0 || hostAddress + lengthBytes < 0) {
                throw new IllegalArgumentException(String.format("host address 0x%x is out of range", hostAddress));
            }
        }

        private static void requireNoWrap(String space, long start, long lengthBytes) {
            if (Long.compareUnsigned(start, -lengthBytes) > 0) {
                throw new IllegalArgumentException(String.format(
                        "region of 0x%x bytes at %s address 0x%x wraps around", lengthBytes, space, start));
            }
        }
    }

    private GuestMemory(List<Region> sorted) {
        regions = List.copyOf(sorted);
        guestStarts = regions.stream().mapToLong(Region::guestAddress).toArray();
        userStarts = regions.stream().mapToLong(Region::userAddress).toArray();
        lengths = regions.stream().mapToLong(Region::lengthBytes).toArray();
        hostStarts = regions.stream().mapToLong(Region::hostAddress).toArray();
    }

    /** Builds a snapshot; throws {@link IllegalArgumentException} if regions overlap in either address space. */
    public static GuestMemory of(List<Region> regions) {
        List<Region> byUser = regions.stream()
                .sorted((a, b) -> Long.compareUnsigned(a.userAddress(), b.userAddress()))
                .toList();
        for (int i = 1; i < byUser.size(); i++) {
            Region before = byUser.get(i - 1);
            requireApart("user", before.userAddress(), before.lengthBytes(), byUser.get(i).userAddress());
        }
        Comparator<Region> byGuestAddress = (a, b) -> Long.compareUnsigned(a.guestAddress(), b.guestAddress());
        List<Region> byGuest = regions.stream().sorted(byGuestAddress).toList();
        for (int i = 1; i < byGuest.size(); i++) {
            Region before = byGuest.get(i - 1);
            requireApart("guest", before.guestAddress(), before.lengthBytes(), byGuest.get(i).guestAddress());
        }
        return new GuestMemory(byGuest);
    }

    private static void requireApart(String space, long start, long lengthBytes, long next) {
        if (next - start >= 0 && next - start < lengthBytes) {
            throw new IllegalArgumentException(String.format(
                    "regions overlap in %s address space: 0x%x bytes at 0x%x reach into the one at 0x%x",
                    space, lengthBytes, start, next));
        }
    }

    public List<Region> regions() {
        return regions;
    }

    /**
     * The host address of {@code [guestAddress, +lengthBytes)}, or {@link #UNMAPPED}; {@code lengthBytes} is not
     * negative.
     */
    public long translate(long guestAddress, long lengthBytes) {
        return translate(guestStarts, guestAddress, lengthBytes);
    }

    /** As {@link #translate}, from the front-end's virtual address space. */
    public long translateUser(long userAddress, long lengthBytes) {
        return translate(userStarts, userAddress, lengthBytes);
    }

    private long translate(long[] starts, long address, long lengthBytes) {
        for (int i = 0; i < starts.length; i++) {
            long offset = address - starts[i];
            // Regions do not wrap, so an offset in [0, length] proves start <= address even for unsigned addresses.
            if (offset >= 0 && offset <= lengths[i] - lengthBytes) {
                return hostStarts[i] + offset;
            }
        }
        return UNMAPPED;
    }

    /** How many bytes from {@code guestAddress} to the end of its region; 0 if it is in none. */
    public long contiguousBytes(long guestAddress) {
        for (int i = 0; i < guestStarts.length; i++) {
            long offset = guestAddress - guestStarts[i];
            if (offset >= 0 && offset < lengths[i]) {
                return lengths[i] - offset;
            }
        }
        return 0;
    }
}
