package io.gatun.pmd.net;

import io.gatun.pmd.MacAddress;
import io.gatun.pmd.Port;
import io.gatun.vhostuser.BackendOptions;
import java.util.Objects;

/**
 * What a vhost port offers to its guest; the constructor refuses what cannot be, with {@link IllegalArgumentException}.
 *
 * @param queues how many queue pairs, 1 to {@value #MAX_QUEUES}; the guest may use fewer
 * @param packed whether packed rings may be negotiated
 * @param inOrder whether {@code VIRTIO_F_IN_ORDER} may be
 * @param mergeable whether {@code VIRTIO_NET_F_MRG_RXBUF} may be
 * @param offloads whether missing checksums and packets larger than the MTU may be exchanged
 * @param mac the address in the configuration space, {@code 52:54:00:12:34:56}, or empty for none: front-ends such as
 *     QEMU have their own
 * @param mtu the MTU in the configuration space, 68 to 65535, or 0 for none; also the port's own
 * @param backend limits of the vhost-user session
 */
public record VhostPortOptions(
        int queues,
        boolean packed,
        boolean inOrder,
        boolean mergeable,
        boolean offloads,
        String mac,
        int mtu,
        BackendOptions backend) {
    /** One queue pair, everything allowed, no address and no MTU of its own. */
    public static final VhostPortOptions DEFAULTS =
            new VhostPortOptions(1, true, true, true, true, "", 0, BackendOptions.DEFAULT);

    /** As many as fit into the 256 queues of a vhost-user device. */
    public static final int MAX_QUEUES = 128;

    public VhostPortOptions {
        Objects.requireNonNull(mac, "mac");
        Objects.requireNonNull(backend, "backend");
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException("queues must be from 1 to " + MAX_QUEUES + ", not " + queues);
        }
        if (mtu != 0 && (mtu < Port.MIN_MTU || mtu > Port.MAX_MTU)) {
            throw new IllegalArgumentException(
                    "mtu must be 0 or from " + Port.MIN_MTU + " to " + Port.MAX_MTU + ", not " + mtu);
        }
        if (!mac.isEmpty()) {
            byte[] _ = MacAddress.parse(mac);
        }
    }

    public VhostPortOptions withQueues(int pairs) {
        return new VhostPortOptions(pairs, packed, inOrder, mergeable, offloads, mac, mtu, backend);
    }

    public VhostPortOptions withPacked(boolean allowed) {
        return new VhostPortOptions(queues, allowed, inOrder, mergeable, offloads, mac, mtu, backend);
    }

    public VhostPortOptions withInOrder(boolean allowed) {
        return new VhostPortOptions(queues, packed, allowed, mergeable, offloads, mac, mtu, backend);
    }

    public VhostPortOptions withMergeable(boolean allowed) {
        return new VhostPortOptions(queues, packed, inOrder, allowed, offloads, mac, mtu, backend);
    }

    public VhostPortOptions withOffloads(boolean allowed) {
        return new VhostPortOptions(queues, packed, inOrder, mergeable, allowed, mac, mtu, backend);
    }

    public VhostPortOptions withMac(String address) {
        return new VhostPortOptions(queues, packed, inOrder, mergeable, offloads, address, mtu, backend);
    }

    public VhostPortOptions withMtu(int bytes) {
        return new VhostPortOptions(queues, packed, inOrder, mergeable, offloads, mac, bytes, backend);
    }

    public VhostPortOptions withBackend(BackendOptions options) {
        return new VhostPortOptions(queues, packed, inOrder, mergeable, offloads, mac, mtu, options);
    }

    /** The address, six bytes, or all zero. */
    byte[] macBytes() {
        return mac.isEmpty() ? new byte[MacAddress.BYTES] : MacAddress.parse(mac);
    }
}
