package io.gatun.vfio;

/**
 * One range of this process's memory and where a device finds it: at one stretch (behind an IOMMU), or page by page
 * (physical memory).
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class DmaRegion {
    /** A "page" that no region outgrows: what makes a linear region a paged one with a single entry. */
    private static final int LINEAR_SHIFT = 62;

    private final long address;
    private final long lengthBytes;
    private final int pageShift;
    private final long pageMask;
    /** Where the first page starts: {@code address}, or below it where the region starts within a page. */
    private final long origin;
    /** The device's address of each page. */
    private final long[] pages;

    private DmaRegion(long address, long lengthBytes, long origin, int pageShift, long[] pages) {
        if (address < 0 || lengthBytes <= 0 || address + lengthBytes < 0) {
            throw new IllegalArgumentException(
                    String.format("no range of user space: 0x%x bytes at 0x%x", lengthBytes, address));
        }
        this.address = address;
        this.lengthBytes = lengthBytes;
        this.origin = origin;
        this.pageShift = pageShift;
        this.pageMask = (1L << pageShift) - 1;
        this.pages = pages;
    }

    /** A region that the device sees at one stretch from {@code deviceAddress} on. */
    public static DmaRegion linear(long address, long lengthBytes, long deviceAddress) {
        return new DmaRegion(address, lengthBytes, address, LINEAR_SHIFT, new long[] {deviceAddress});
    }

    /**
     * A region of pages that lie anywhere.
     *
     * @param pageShift the binary logarithm of the size of a page in bytes
     * @param pages the device's address of each page that the region touches, the first of which may start below it
     */
    public static DmaRegion paged(long address, long lengthBytes, int pageShift, long[] pages) {
        long pageBytes = 1L << pageShift;
        long origin = address & -pageBytes;
        long count = (address + lengthBytes - origin + pageBytes - 1) >>> pageShift;
        if (pages.length != count) {
            throw new IllegalArgumentException(pages.length + " pages for a region that touches " + count);
        }
        return new DmaRegion(address, lengthBytes, origin, pageShift, pages.clone());
    }

    public long address() {
        return address;
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    /** The device's address of the first byte. */
    public long deviceAddress() {
        return translate(address);
    }

    /** The device's address of an address inside of the region. */
    long translate(long inside) {
        long offset = inside - origin;
        return pages[(int) (offset >>> pageShift)] + (offset & pageMask);
    }

    /** How many bytes from an address inside of the region on the device sees at one stretch. */
    long contiguousBytes(long inside) {
        return Math.min(address + lengthBytes - inside, pageMask + 1 - (inside - origin & pageMask));
    }

    @Override
    public String toString() {
        return String.format("0x%x bytes at 0x%x, for the device from 0x%x", lengthBytes, address, deviceAddress());
    }
}
