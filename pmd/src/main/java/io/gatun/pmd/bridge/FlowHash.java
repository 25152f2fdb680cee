package io.gatun.pmd.bridge;

import io.gatun.linux.Memory;
import io.gatun.pmd.Burst;
import io.gatun.pmd.offload.PacketHeaders;

/**
 * A number that is the same for all packets of a flow: of the IP addresses, the protocol and the ports; of the Ethernet
 * addresses and the type where there is no IP. All fragments of a datagram have the same one too, without the ports.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class FlowHash {
    /** Both addresses and both ports of IPv6 behind two tags, without extension headers. */
    private static final int LOOK_BYTES = 80;

    private static final long MULTIPLIER = 0x9e3779b97f4a7c15L;

    private final PacketHeaders headers = new PacketHeaders();

    FlowHash() {}

    int of(Burst burst, int packet) {
        int length = Math.min(LOOK_BYTES, burst.lengths[packet]);
        long head = burst.pull(packet, length);
        if (!headers.parse(head, length)) {
            return 0;
        }
        if (!headers.ip) {
            return finish(mix(Memory.getLong(head), Memory.getUnsignedInt(head + 8) << 16 | headers.etherType));
        }
        long network = head + headers.networkOffset;
        long hash = headers.ipv6
                ? mix(
                        mix(Memory.getLong(network + 8), Memory.getLong(network + 16)),
                        mix(Memory.getLong(network + 24), Memory.getLong(network + 32)))
                : mix(Memory.getLong(network + 12), headers.protocol);
        if (headers.transportBytes != 0 && !headers.fragment) {
            hash = mix(hash, Memory.getUnsignedInt(head + headers.transportOffset) << 8 | headers.protocol);
        }
        return finish(hash);
    }

    private static long mix(long hash, long value) {
        long mixed = (hash ^ (hash >>> 31)) * MULTIPLIER + value;
        return (mixed ^ (mixed >>> 29)) * MULTIPLIER;
    }

    private static int finish(long hash) {
        return (int) (((hash ^ (hash >>> 32)) * MULTIPLIER) >>> 33);
    }
}
