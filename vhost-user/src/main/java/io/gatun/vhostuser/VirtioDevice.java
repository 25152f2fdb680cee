package io.gatun.vhostuser;

import io.gatun.linux.Errno;

/**
 * A virtio device as this module sees it: feature bits, a configuration space, and queues that can be started.
 *
 * <p>What the queues mean is the device's own business; sockets, memory tables and ring life cycles are the session's.
 * A device serves one front-end at a time and many in turn.
 *
 * <p><b>Thread-safety:</b> every method except {@link #startQueue} is called on the control loop's thread and must not
 * block it; {@link #startQueue} is called on the thread of the reactor that will own the queue.
 */
public interface VirtioDevice {
    /**
     * The features that may be negotiated: the device's own (bits 0 to 23 and 50 and up) and the ring features it
     * allows (see {@link io.gatun.vring.VirtioFeatures}). The session adds {@code VHOST_USER_F_PROTOCOL_FEATURES} (bit
     * 30).
     */
    long features();

    /**
     * Protocol features of this device type beyond those that every session has: {@link ProtocolFeatures#MTU} and such,
     * {@link ProtocolFeatures#CONFIG} where a front-end is to read the configuration space here (QEMU warns of it where
     * it does not), and {@link ProtocolFeatures#INFLIGHT_SHMFD} where requests are worth a log that outlives this
     * process.
     */
    default long protocolFeatures() {
        return ProtocolFeatures.INFLIGHT_SHMFD | (configLength() == 0 ? 0 : ProtocolFeatures.CONFIG);
    }

    /** How many queues there are at most, 1 to 256. A driver may set up fewer. */
    int queueCount();

    /** The answer to {@code GET_QUEUE_NUM}: the queues, unless front-ends of this device type count otherwise. */
    default int announcedQueueCount() {
        return queueCount();
    }

    /** The length of the configuration space in bytes, 0 to 256. */
    int configLength();

    /** Fills {@code target}, {@link #configLength()} bytes, with the configuration space as it is now. */
    void readConfig(byte[] target);

    /**
     * Writes to the configuration space ({@code SET_CONFIG}).
     *
     * @param offset where the value starts; {@code offset + value.length} is within {@link #configLength()}
     * @param migration whether the front-end restores a migrated device, which may write read-only fields
     * @return 0, or {@code -errno} where the field is not writable or the value is refused
     */
    default int writeConfig(int offset, byte[] value, boolean migration) {
        return -Errno.EINVAL;
    }

    /**
     * A front-end is connected.
     *
     * @param events how the device tells the front-end about its own changes, good until {@link #detached}
     * @param features the negotiated features without the protocol's own bit 30; 0 at first, and called again with each
     * new set
     */
    default void attached(DeviceEvents events, long features) {}

    /** The front-end is gone; every queue has been stopped. */
    default void detached() {}

    /**
     * The front-end shares memory, which is mapped here at {@code address}, in whole pages, until {@link
     * #memoryRemoved}: for devices that let hardware access it. Comes before any queue uses it.
     */
    default void memoryAdded(long address, long lengthBytes) {}

    /**
     * No queue uses the memory at {@code address} any more, and what was in flight in it has completed; it is unmapped
     * when this returns.
     */
    default void memoryRemoved(long address) {}

    /**
     * A queue starts; called on the thread of {@link Vring#reactor()}. What this throws refuses the start and ends the
     * connection.
     */
    QueueHandler startQueue(int index, Vring vring);

    /**
     * What the driver has set that a front-end does not tell a successor of this process, in the device's own encoding.
     * It lies beside what is in flight, so that a restart does not lose it.
     */
    default int driverState() {
        return 0;
    }

    /**
     * Takes over what a predecessor's {@link #driverState} was. The front-end could have changed it to any value.
     */
    default void restoreDriverState(int state) {}

    /** The driver reset the device ({@code RESET_DEVICE}, or a status of 0); every queue has been stopped. */
    default void reset() {}

    /**
     * {@code NET_SET_MTU}, where {@link #protocolFeatures()} has {@link ProtocolFeatures#MTU}: 0, or {@code -errno}.
     */
    default int setMtu(int mtu) {
        return -Errno.EINVAL;
    }

    /**
     * {@code SEND_RARP}, where {@link #protocolFeatures()} has {@link ProtocolFeatures#RARP}: announces the guest's
     * address.
     */
    default void announce(byte[] macAddress) {}
}
