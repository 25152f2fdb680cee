package io.gatun.vfio;

import java.util.Comparator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a PCI function is: domain, bus, device, function, as in {@code 0000:00:04.0}. All numbers are hexadecimal in
 * its text.
 *
 * @param domain 0 to 0xffff, or more where firmware or a hypervisor makes up domains (at most 32 bits)
 * @param bus 0 to 255
 * @param device 0 to 31
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {
    private static final Pattern SYNTAX =
            Pattern.compile("(?:([0-9a-fA-F]{1,8})[:.])?([0-9a-fA-F]{1,2})[:.]([0-9a-fA-F]{1,2})\\.([0-7])");

    private static final Comparator<PciAddress> ORDER = Comparator.comparingLong(
                    (PciAddress a) -> a.domain & 0xffff_ffffL)
            .thenComparingInt(PciAddress::bus)
            .thenComparingInt(PciAddress::device)
            .thenComparingInt(PciAddress::function);

    /** Refuses numbers out of their ranges. */
    public PciAddress {
        if (bus < 0 || bus > 0xff || device < 0 || device > 0x1f || function < 0 || function > 7) {
            throw new IllegalArgumentException(String.format("no PCI function: %x:%x.%x", bus, device, function));
        }
    }

    /**
     * Reads {@code 0000:00:04.0}, {@code 00:04.0}, or SPDK's {@code 0000.00.04.0}; throws {@link
     * IllegalArgumentException} with an example.
     */
    public static PciAddress parse(String text) {
        Matcher matcher = SYNTAX.matcher(text.strip());
        if (!matcher.matches() || Integer.parseInt(matcher.group(3), 16) > 0x1f) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is no PCI address; write it as 0000:00:04.0 (domain:bus:device.function)");
        }
        String domain = matcher.group(1);
        return new PciAddress(
                domain == null ? 0 : Integer.parseUnsignedInt(domain, 16),
                Integer.parseInt(matcher.group(2), 16),
                Integer.parseInt(matcher.group(3), 16),
                Integer.parseInt(matcher.group(4), 16));
    }

    @Override
    public int compareTo(PciAddress other) {
        return ORDER.compare(this, other);
    }

    /** The name in sysfs: {@code 0000:00:04.0}. */
    @Override
    public String toString() {
        return String.format("%04x:%02x:%02x.%x", domain, bus, device, function);
    }
}
