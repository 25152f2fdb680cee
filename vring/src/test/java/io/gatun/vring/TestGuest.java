package io.gatun.vring;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.ArrayList;
import java.util.List;

/**
 * A guest's memory for tests. Every region is a mapping of its own, so that checked mode refuses an access that runs
 * from one region into the next even where guest addresses are adjacent. Region 0 holds rings, the others hold buffers.
 */
final class TestGuest implements AutoCloseable {
    static final long GUEST_BASE = 0x1_0000_0000L;
    static final long USER_BASE = 0x7f00_0000_0000L;

    private static final long GAP = 1L << 32;
    private static final long PAGE = 4096;

    private final List<Mapping> mappings = new ArrayList<>();
    private final long[] guestStarts;
    private final long[] used;
    private final GuestMemory memory;

    private TestGuest(boolean adjacent, long... regionBytes) {
        guestStarts = new long[regionBytes.length];
        used = new long[regionBytes.length];
        List<GuestMemory.Region> regions = new ArrayList<>();
        long guest = GUEST_BASE;
        for (int i = 0; i < regionBytes.length; i++) {
            Mapping mapping = Mapping.anonymous(roundUp(regionBytes[i]));
            mappings.add(mapping);
            guestStarts[i] = guest;
            regions.add(new GuestMemory.Region(
                    guest, mapping.lengthBytes(), USER_BASE + (guest - GUEST_BASE), mapping.address()));
            guest += adjacent ? mapping.lengthBytes() : GAP;
        }
        memory = GuestMemory.of(regions);
    }

    /** Regions far apart in the guest's address space. */
    static TestGuest apart(long... regionBytes) {
        return new TestGuest(false, regionBytes);
    }

    /** Regions back to back in the guest's address space, each of a multiple of the page size. */
    static TestGuest adjacent(long... regionBytes) {
        return new TestGuest(true, regionBytes);
    }

    private static long roundUp(long bytes) {
        return (bytes + PAGE - 1) & -PAGE;
    }

    GuestMemory memory() {
        return memory;
    }

    /** Takes aligned bytes from a region; answers their guest address. */
    long allocate(int region, long bytes, long alignment) {
        long at = (used[region] + alignment - 1) & -alignment;
        if (at + bytes > mappings.get(region).lengthBytes()) {
            throw new IllegalStateException("region " + region + " is full");
        }
        used[region] = at + bytes;
        return guestStarts[region] + at;
    }

    long regionStart(int region) {
        return guestStarts[region];
    }

    long regionEnd(int region) {
        return guestStarts[region] + mappings.get(region).lengthBytes();
    }

    static long user(long guestAddress) {
        return USER_BASE + (guestAddress - GUEST_BASE);
    }

    /** Host address of a byte of the guest's memory. */
    long host(long guestAddress) {
        long host = memory.translate(guestAddress, 1);
        if (host == GuestMemory.UNMAPPED) {
            throw new IllegalArgumentException("not guest memory: 0x" + Long.toHexString(guestAddress));
        }
        return host;
    }

    /** The bytes of a guest range, which may run across adjacent regions. */
    byte[] read(long guestAddress, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = Memory.getByte(host(guestAddress + i));
        }
        return bytes;
    }

    void write(long guestAddress, byte[] bytes) {
        for (int i = 0; i < bytes.length; i++) {
            Memory.putByte(host(guestAddress + i), bytes[i]);
        }
    }

    @Override
    public void close() {
        mappings.forEach(Mapping::close);
    }
}
