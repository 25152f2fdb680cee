package io.gatun.vfio;

import java.util.ArrayList;
import java.util.List;

/** A device whose pages lie in the opposite order, far apart: what no code takes for contiguous by accident. */
final class PagedSpace extends DmaSpace {
    static final long FAR = 1L << 40;

    final List<DmaRegion> attached = new ArrayList<>();
    private final int pageShift;

    PagedSpace(int pageShift) {
        this.pageShift = pageShift;
    }

    static long deviceAddress(long address, int pageShift) {
        long page = address >>> pageShift;
        long inPage = address - (page << pageShift);
        return ((FAR - page) << pageShift) + inPage;
    }

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        return DmaMemory.ordinary(this, lengthBytes);
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        long first = address >>> pageShift;
        long last = (address + lengthBytes - 1) >>> pageShift;
        long[] pages = new long[(int) (last - first + 1)];
        for (int i = 0; i < pages.length; i++) {
            pages[i] = deviceAddress((first + i) << pageShift, pageShift);
        }
        DmaRegion region = DmaRegion.paged(address, lengthBytes, pageShift, pages);
        attached.add(region);
        return region;
    }

    @Override
    protected void detach(DmaRegion region) {
        attached.remove(region);
    }
}
