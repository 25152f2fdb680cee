package io.gatun.pmd.user;

import io.gatun.pmd.MacAddress;
import io.gatun.pmd.Port;
import java.time.Duration;
import java.util.Objects;

/**
 * What a virtio-user port asks of its back-end; the constructor refuses what cannot be, with {@link
 * IllegalArgumentException}.
 *
 * @param queues how many queue pairs, 1 to {@value #MAX_QUEUES}; fewer are used where the back-end has fewer
 * @param packed packed rings; a back-end that has none is refused
 * @param inOrder {@code VIRTIO_F_IN_ORDER}, where offered
 * @param mergeable {@code VIRTIO_NET_F_MRG_RXBUF}, where offered
 * @param offloads missing checksums and packets larger than the MTU, both ways, where offered
 * @param queueSize descriptors per ring, a power of two from 2 to 32768
 * @param mac the port's address, {@code 52:54:00:12:34:56}, or empty for the back-end's, where it has one
 * @param mtu 68 to 65535 bytes, which a back-end that wants to know is told; less where it allows less
 * @param hugepages whether packets lie on hugepages if enough are free
 * @param timeout how long the back-end may take for an answer
 */
public record VirtioUserOptions(
        int queues,
        boolean packed,
        boolean inOrder,
        boolean mergeable,
        boolean offloads,
        int queueSize,
        String mac,
        int mtu,
        boolean hugepages,
        Duration timeout) {
    /** As many as fit into the 256 queues of a vhost-user device. */
    public static final int MAX_QUEUES = 128;

    private static final int MAX_QUEUE_SIZE = 32768;

    /** One split queue pair of 256 descriptors with mergeable buffers, no offloads, Ethernet's MTU. */
    public static final VirtioUserOptions DEFAULTS = new VirtioUserOptions(
            1, false, false, true, false, 256, "", Port.DEFAULT_MTU, true, Duration.ofSeconds(5));

    public VirtioUserOptions {
        Objects.requireNonNull(timeout, "timeout");
        if (!mac.isEmpty()) {
            byte[] _ = MacAddress.parse(mac);
        }
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException("queues must be from 1 to " + MAX_QUEUES + ", not " + queues);
        }
        if (queueSize < 2 || queueSize > MAX_QUEUE_SIZE || Integer.bitCount(queueSize) != 1) {
            throw new IllegalArgumentException(
                    "the queue size must be a power of two from 2 to " + MAX_QUEUE_SIZE + ", not " + queueSize);
        }
        if (mtu < Port.MIN_MTU || mtu > Port.MAX_MTU) {
            throw new IllegalArgumentException(
                    "mtu must be from " + Port.MIN_MTU + " to " + Port.MAX_MTU + ", not " + mtu);
        }
        if (!timeout.isPositive()) {
            throw new IllegalArgumentException("the timeout must be more than nothing, not " + timeout);
        }
    }

    public VirtioUserOptions withQueues(int pairs) {
        return new VirtioUserOptions(
                pairs, packed, inOrder, mergeable, offloads, queueSize, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withPacked(boolean wanted) {
        return new VirtioUserOptions(
                queues, wanted, inOrder, mergeable, offloads, queueSize, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withInOrder(boolean wanted) {
        return new VirtioUserOptions(
                queues, packed, wanted, mergeable, offloads, queueSize, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withMergeable(boolean wanted) {
        return new VirtioUserOptions(
                queues, packed, inOrder, wanted, offloads, queueSize, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withOffloads(boolean wanted) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, wanted, queueSize, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withQueueSize(int descriptors) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, offloads, descriptors, mac, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withMac(String address) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, offloads, queueSize, address, mtu, hugepages, timeout);
    }

    public VirtioUserOptions withMtu(int bytes) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, offloads, queueSize, mac, bytes, hugepages, timeout);
    }

    public VirtioUserOptions withHugepages(boolean wanted) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, offloads, queueSize, mac, mtu, wanted, timeout);
    }

    public VirtioUserOptions withTimeout(Duration value) {
        return new VirtioUserOptions(
                queues, packed, inOrder, mergeable, offloads, queueSize, mac, mtu, hugepages, value);
    }
}
