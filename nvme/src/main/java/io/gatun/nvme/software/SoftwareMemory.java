package io.gatun.nvme.software;

import io.gatun.linux.Mapping;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaRegion;
import io.gatun.vfio.DmaSpace;

/**
 * What a software controller reaches. Its addresses differ from those of this process, so that an address that was not
 * translated is noticed; and where asked for no two pages are neighbours, as in physical memory.
 *
 * <p><b>Thread-safety:</b> as {@link DmaSpace}.
 */
public final class SoftwareMemory extends DmaSpace {
    private static final long FAR = 1L << 47;
    private static final int PAGE_SHIFT = 12;

    private final long difference;

    /** @param scattered whether neighbouring pages are apart for the controller */
    public SoftwareMemory(boolean scattered) {
        difference = scattered ? FAR | PAGE_BYTES : FAR;
    }

    /** Where the controller finds, in this process, what it knows by its own address; {@link #UNMAPPED} if nowhere. */
    long find(long deviceAddress) {
        long address = deviceAddress ^ difference;
        return translate(address) == deviceAddress ? address : UNMAPPED;
    }

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        Mapping memory = Mapping.anonymous((lengthBytes + PAGE_BYTES - 1) & -PAGE_BYTES);
        map(memory.address(), memory.lengthBytes());
        return new DmaBuffer(memory.address(), memory.lengthBytes(), () -> {
            unmap(memory.address());
            memory.close();
        });
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        if (difference == FAR) {
            return DmaRegion.linear(address, lengthBytes, address ^ FAR);
        }
        long[] pages = new long[(int) (lengthBytes >>> PAGE_SHIFT)];
        for (int i = 0; i < pages.length; i++) {
            pages[i] = (address + ((long) i << PAGE_SHIFT)) ^ difference;
        }
        return DmaRegion.paged(address, lengthBytes, PAGE_SHIFT, pages);
    }

    @Override
    protected void detach(DmaRegion region) {}

    @Override
    public String toString() {
        return "memory of a software controller";
    }
}
