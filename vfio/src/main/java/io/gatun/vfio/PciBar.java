package io.gatun.vfio;

/**
 * What the kernel says of one base address register. Source: {@code linux/ioport.h}, sysfs {@code resource}.
 *
 * @param index 0 to 5
 * @param lengthBytes 0 for one that is not there
 * @param isMemory false for I/O ports
 */
public record PciBar(int index, long lengthBytes, boolean isMemory, boolean isPrefetchable, boolean is64Bit) {
    private static final long IORESOURCE_MEM = 0x200;
    private static final long IORESOURCE_PREFETCH = 0x2000;
    private static final long IORESOURCE_MEM_64 = 0x100000;

    /** Reads a line of sysfs' {@code resource}: first and last address, flags. */
    static PciBar parse(int index, String line) {
        String[] fields = line.trim().split("\\s+", -1);
        if (fields.length != 3) {
            throw new IllegalArgumentException("not a line of a resource file: \"" + line + "\"");
        }
        long start = Long.parseUnsignedLong(fields[0].substring(2), 16);
        long end = Long.parseUnsignedLong(fields[1].substring(2), 16);
        long flags = Long.parseUnsignedLong(fields[2].substring(2), 16);
        return new PciBar(
                index,
                flags == 0 ? 0 : end - start + 1,
                (flags & IORESOURCE_MEM) != 0,
                (flags & IORESOURCE_PREFETCH) != 0,
                (flags & IORESOURCE_MEM_64) != 0);
    }
}
