package io.gatun.pmd.tap;

import io.gatun.pmd.Port;

/**
 * How a TAP interface is attached.
 *
 * @param interfaceName its name, 1 to 15 characters; {@code %d} in it becomes a free number
 * @param queues queue pairs, 1 to 64; an interface that exists must have been made for several (or not), alike
 * @param mtu the interface's MTU in bytes, 68 to 65521; 0 leaves it as it is
 * @param offloads whether the kernel may leave checksums and segmentation to us
 */
public record TapOptions(String interfaceName, int queues, int mtu, boolean offloads) {
    private static final int MAX_MTU = 65521;

    public TapOptions {
        if (queues < 1 || queues > 64) {
            throw new IllegalArgumentException("a TAP port has 1 to 64 queues, not " + queues);
        }
        if (mtu != 0 && (mtu < 68 || mtu > MAX_MTU)) {
            throw new IllegalArgumentException("a TAP interface's MTU is 68 to " + MAX_MTU + " bytes, not " + mtu);
        }
    }

    /** One queue, an MTU of {@link Port#DEFAULT_MTU}, and offloads. */
    public static TapOptions of(String interfaceName) {
        return new TapOptions(interfaceName, 1, Port.DEFAULT_MTU, true);
    }

    public TapOptions withQueues(int count) {
        return new TapOptions(interfaceName, count, mtu, offloads);
    }

    public TapOptions withMtu(int bytes) {
        return new TapOptions(interfaceName, queues, bytes, offloads);
    }

    public TapOptions withoutOffloads() {
        return new TapOptions(interfaceName, queues, mtu, false);
    }
}
