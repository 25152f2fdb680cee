package io.gatun.pmd.net;

import io.gatun.linux.Errno;
import io.gatun.pmd.Port;
import io.gatun.vhostuser.DeviceEvents;
import io.gatun.vhostuser.ProtocolFeatures;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.VirtioDevice;
import io.gatun.vhostuser.Vring;
import io.gatun.vring.VirtioFeatures;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A {@link VhostPort} as a network device: features, configuration space, and which ring is which (VIRTIO 1.3 §5.1).
 *
 * <p><b>Thread-safety:</b> as {@link VirtioDevice} says.
 */
final class VirtioNetDevice implements VirtioDevice {
    private static final long OFFLOADS = VirtioNet.F_CSUM
            | VirtioNet.F_GUEST_CSUM
            | VirtioNet.F_GUEST_TSO4
            | VirtioNet.F_GUEST_TSO6
            | VirtioNet.F_GUEST_ECN
            | VirtioNet.F_GUEST_USO4
            | VirtioNet.F_GUEST_USO6
            | VirtioNet.F_HOST_TSO4
            | VirtioNet.F_HOST_TSO6
            | VirtioNet.F_HOST_ECN
            | VirtioNet.F_HOST_USO;

    private final VhostPort port;
    private final VhostPortOptions options;

    /** The port's MTU before this front-end set one; 0 while it has not. Control loop's. */
    private int mtuBefore;

    VirtioNetDevice(VhostPort port, VhostPortOptions options) {
        this.port = port;
        this.options = options;
    }

    @Override
    public long features() {
        return VirtioFeatures.VERSION_1
                | VirtioFeatures.INDIRECT_DESC
                | VirtioFeatures.EVENT_IDX
                | VirtioNet.F_STATUS
                | VirtioNet.F_GUEST_ANNOUNCE
                | when(options.packed(), VirtioFeatures.RING_PACKED)
                | when(options.inOrder(), VirtioFeatures.IN_ORDER)
                | when(options.mergeable(), VirtioNet.F_MRG_RXBUF)
                | when(options.offloads(), OFFLOADS)
                | when(options.queues() > 1, VirtioNet.F_MQ)
                | when(!options.mac().isEmpty(), VirtioNet.F_MAC)
                | when(options.mtu() != 0, VirtioNet.F_MTU);
    }

    private static long when(boolean offered, long bits) {
        return offered ? bits : 0;
    }

    /**
     * No in-flight buffer: a packet that a crash loses is a packet lost. The configuration space is the front-end's own
     * affair, and QEMU warns of a network device that offers it; only an address is worth reading.
     */
    @Override
    public long protocolFeatures() {
        return ProtocolFeatures.RARP | ProtocolFeatures.MTU | when(!options.mac().isEmpty(), ProtocolFeatures.CONFIG);
    }

    @Override
    public int queueCount() {
        return VirtioNet.QUEUES_PER_PAIR * options.queues();
    }

    /** Front-ends of network devices ask for pairs. */
    @Override
    public int announcedQueueCount() {
        return options.queues();
    }

    @Override
    public int configLength() {
        return VirtioNet.CONFIG_BYTES;
    }

    @Override
    public void readConfig(byte[] target) {
        ByteBuffer config = ByteBuffer.wrap(target).order(ByteOrder.LITTLE_ENDIAN);
        config.put(VirtioNet.CONFIG_MAC, options.macBytes());
        config.putShort(VirtioNet.CONFIG_STATUS, (short) VirtioNet.S_LINK_UP);
        config.putShort(VirtioNet.CONFIG_MAX_VIRTQUEUE_PAIRS, (short) options.queues());
        config.putShort(VirtioNet.CONFIG_MTU, (short) options.mtu());
    }

    /** Nothing there is a driver's to write (§5.1.4); what a migration restores is the front-end's own. */
    @Override
    public int writeConfig(int offset, byte[] value, boolean migration) {
        return migration ? 0 : -Errno.EINVAL;
    }

    @Override
    public void attached(DeviceEvents events, long features) {
        port.negotiated(features);
    }

    @Override
    public void detached() {
        if (mtuBefore != 0) {
            // The next front-end need not say anything of it.
            port.setMtu(mtuBefore);
            mtuBefore = 0;
        }
        port.negotiated(0);
        port.checkLink();
    }

    @Override
    public void reset() {
        port.checkLink();
    }

    @Override
    public QueueHandler startQueue(int index, Vring vring) {
        int pair = index / VirtioNet.QUEUES_PER_PAIR;
        return index % VirtioNet.QUEUES_PER_PAIR == 0
                ? new TxRing(vring, port.txQueues().get(pair))
                : new RxRing(vring, port.rxQueues().get(pair), System::nanoTime);
    }

    @Override
    public int setMtu(int mtu) {
        if (mtu < Port.MIN_MTU) {
            return -Errno.EINVAL;
        }
        mtuBefore = mtuBefore == 0 ? port.mtu() : mtuBefore;
        port.setMtu(mtu);
        return 0;
    }

    @Override
    public void announce(byte[] macAddress) {
        port.announce(macAddress);
    }
}
