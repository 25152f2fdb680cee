package io.gatun.pmd.bridge;

/**
 * How a switch learns.
 *
 * <p><b>Thread-safety:</b> immutable.
 *
 * @param macLimit how many addresses are learned, 1 to a million
 * @param ageingSeconds after how long an address is forgotten that was not seen, 1 to a million (IEEE 802.1D §7.9.2);
 *     as exact as {@link Bridge#age} is called often
 */
public record BridgeOptions(int macLimit, int ageingSeconds) {
    private static final int MOST = 1_000_000;

    /** 8192 addresses, and the 300 seconds that IEEE 802.1D recommends. */
    public static final BridgeOptions DEFAULT = new BridgeOptions(8192, 300);

    /** Throws {@link IllegalArgumentException} with what is wrong. */
    public BridgeOptions {
        if (macLimit < 1 || macLimit > MOST || ageingSeconds < 1 || ageingSeconds > MOST) {
            throw new IllegalArgumentException("a switch learns 1 to " + MOST + " addresses for 1 to " + MOST
                    + " seconds, not " + macLimit + " for " + ageingSeconds);
        }
    }
}
