package io.gatun.pmd;

import java.util.HexFormat;

/** A station's Ethernet address as people write it and as it is on the wire. */
public final class MacAddress {
    public static final int BYTES = 6;

    private static final HexFormat FORMAT = HexFormat.ofDelimiter(":");

    private MacAddress() {}

    /**
     * The six bytes of {@code 52:54:00:12:34:56}.
     *
     * @throws IllegalArgumentException if it is none, or a group's
     */
    public static byte[] parse(String text) {
        byte[] bytes = {};
        try {
            bytes = FORMAT.parseHex(text);
        } catch (IllegalArgumentException e) {
            // Told below.
        }
        if (bytes.length != BYTES || (bytes[0] & 1) != 0) {
            throw new IllegalArgumentException("mac must be a unicast address such as 52:54:00:12:34:56, not " + text);
        }
        return bytes;
    }

    /** Six bytes as text. */
    public static String text(byte[] address) {
        return FORMAT.formatHex(address);
    }
}
