package io.gatun.pmd.bridge;

import java.util.Arrays;
import java.util.Objects;

/**
 * The ports of a switch at one moment.
 *
 * <p><b>Thread-safety:</b> immutable; a lane takes the present one for each burst.
 */
final class Members {
    static final Members NONE = new Members(new BridgePort[0]);

    /** Those that packets are forwarded to, in the order of their numbers. */
    final BridgePort[] forwarding;

    /** Those that get copies. */
    final BridgePort[] mirrors;

    /** Whether any port has VLAN options, so that tags matter. */
    final boolean vlanAware;

    private final BridgePort[] byNumber;

    private Members(BridgePort[] byNumber) {
        this.byNumber = byNumber;
        BridgePort[] all =
                Arrays.stream(byNumber).filter(Objects::nonNull).toArray(BridgePort[]::new);
        forwarding = Arrays.stream(all).filter(p -> !p.options.mirror()).toArray(BridgePort[]::new);
        mirrors = Arrays.stream(all).filter(p -> p.options.mirror()).toArray(BridgePort[]::new);
        vlanAware = Arrays.stream(all).anyMatch(p -> p.vlans.aware);
    }

    /** The member with a number, or null. */
    BridgePort get(int number) {
        return number < byNumber.length ? byNumber[number] : null;
    }

    /** This with a number taken by {@code port}, or by none. */
    Members with(int number, BridgePort port) {
        BridgePort[] next = Arrays.copyOf(byNumber, Math.max(byNumber.length, number + 1));
        next[number] = port;
        return new Members(next);
    }

    /** All, forwarding ones and mirrors. */
    BridgePort[] all() {
        return Arrays.stream(byNumber).filter(Objects::nonNull).toArray(BridgePort[]::new);
    }
}
