package io.gatun.daemon.bench;

import io.gatun.daemon.bench.NetBenchOptions.Mode;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.linux.UnixListener;
import io.gatun.pmd.NetHeader;
import io.gatun.pmd.net.VirtioNet;
import io.gatun.vhostuser.FrontendException;
import io.gatun.vhostuser.FrontendQueue;
import io.gatun.vhostuser.SharedMemory;
import io.gatun.vhostuser.VhostUserFrontend;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.VirtioFeatures;

/** The network device that a run is aimed at: its rings, and the memory of the packets. */
final class NetTarget implements AutoCloseable {
    /** Not 0, so that a server that mixes up its address spaces shows. */
    private static final long GUEST_ADDRESS = 1L << 32;

    private static final int USUAL_BYTES = 2048;
    private static final int PAGE = 4096;

    private final NetBenchOptions options;
    private final VhostUserFrontend device;
    private final SharedMemory memory;

    private NetTarget(NetBenchOptions options, VhostUserFrontend device) {
        this.options = options;
        this.device = device;
        SharedMemory shared = null;
        try {
            device.negotiate(choose(device.features()));
            long bytes = options.queues() * pairBytes();
            shared = switch (options.hugepages()) {
                case AUTO -> SharedMemory.ofBestPages(GUEST_ADDRESS, bytes);
                case ALWAYS -> SharedMemory.ofHugepages(GUEST_ADDRESS, bytes);
                case NEVER -> SharedMemory.ofPages(GUEST_ADDRESS, bytes);
            };
            device.shareMemory(shared);
            memory = shared;
        } catch (Throwable t) {
            device.close();
            if (shared != null) {
                shared.close();
            }
            throw t;
        }
    }

    /** Meets the server and settles features and memory. */
    static NetTarget open(NetBenchOptions options) {
        try {
            return new NetTarget(options, meet(options));
        } catch (LinuxException | FrontendException e) {
            throw new NetBenchException(e.getMessage(), e);
        }
    }

    private static VhostUserFrontend meet(NetBenchOptions options) {
        if (!options.listen()) {
            return VhostUserFrontend.connect(options.socket(), options.timeout());
        }
        try (UnixListener listener = UnixListener.listen(options.socket().toString())) {
            return VhostUserFrontend.accept(listener, options.timeout(), VhostUserFrontend.PROTOCOL_FEATURES);
        }
    }

    private long choose(long offered) {
        long needed = VirtioFeatures.VERSION_1
                | demand(options.packed(), offered, VirtioFeatures.RING_PACKED, "packed rings", "--packed")
                | demand(options.inOrder(), offered, VirtioFeatures.IN_ORDER, "IN_ORDER", "--in-order")
                | demand(options.queues() > 1, offered, VirtioNet.F_MQ, "more than one queue pair", "--queues");
        if (options.queues() > 1 && device.queueLimit() < options.queues()) {
            throw new NetBenchException(
                    "queues " + options.queues() + ": the server has only " + device.queueLimit() + " pairs");
        }
        long wanted = VirtioFeatures.EVENT_IDX | (options.mergeable() ? VirtioNet.F_MRG_RXBUF : 0);
        return needed | (offered & wanted);
    }

    private long demand(boolean wanted, long offered, long bit, String what, String option) {
        if (wanted && (offered & bit) == 0) {
            throw new NetBenchException(options.socket() + " offers no " + what + "; leave out " + option);
        }
        return wanted ? bit : 0;
    }

    /** Room for a whole packet, so that none is ever spread over buffers. */
    int bufferBytes() {
        return Math.max(USUAL_BYTES, (NetHeader.BYTES + options.sizeBytes() + 63) & -64);
    }

    private long pairBytes() {
        long ring = DriverQueue.memoryBytes(options.packed(), NetBenchOptions.RING_SIZE) + PAGE;
        return 2 * (ring + (long) NetBenchOptions.RING_SIZE * bufferBytes() + PAGE);
    }

    boolean isHuge() {
        return memory.isHuge();
    }

    boolean isMergeable() {
        return (device.negotiatedFeatures() & VirtioNet.F_MRG_RXBUF) != 0;
    }

    boolean isConnected() {
        return device.isConnected();
    }

    /** Starts the ring on which pair {@code index} receives, or the one on which it sends. */
    FrontendQueue start(int index, boolean sends) {
        return device.startQueue(VirtioNet.QUEUES_PER_PAIR * index + (sends ? 1 : 0), NetBenchOptions.RING_SIZE);
    }

    /** Buffers for each id of a ring; returns the first one's address here. */
    long buffers() {
        long bytes = (long) NetBenchOptions.RING_SIZE * bufferBytes();
        long host = memory.allocate(bytes, PAGE);
        Memory.fill(host, bytes, (byte) 0);
        return host;
    }

    long toGuest(long host) {
        return memory.toGuest(host);
    }

    /** Whether a mode sends. */
    static boolean sends(Mode mode) {
        return mode != Mode.RX;
    }

    @Override
    public void close() {
        device.close();
        memory.close();
    }
}
