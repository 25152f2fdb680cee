package io.gatun.pmd.bridge;

import io.gatun.pmd.Port;

/**
 * An address that a switch has learned.
 *
 * @param mac 48 bits, the first byte on the wire highest
 * @param vlan 0 for untagged packets
 * @param port where it was seen
 * @param ageSeconds since when it has not been seen
 */
public record MacEntry(long mac, int vlan, Port port, int ageSeconds) {
    /** The address as it is written: {@code 52:54:00:12:34:56}. */
    public String macText() {
        StringBuilder text = new StringBuilder(17);
        for (int shift = 40; shift >= 0; shift -= 8) {
            int octet = (int) (mac >>> shift) & 0xff;
            text.append(Character.forDigit(octet >>> 4, 16)).append(Character.forDigit(octet & 0xf, 16));
            text.append(shift == 0 ? "" : ":");
        }
        return text.toString();
    }
}
