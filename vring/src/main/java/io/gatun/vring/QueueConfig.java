package io.gatun.vring;

/**
 * Everything a device queue is made from. The queue's constructor validates it and throws {@link
 * IllegalArgumentException} with the reason.
 *
 * @param size number of descriptors
 * @param features negotiated feature bits
 * @param descriptorAddress user address of the descriptor table (split) or of the descriptor ring (packed)
 * @param availAddress user address of the available ring (split) or of the driver's event suppression structure
 * (packed)
 * @param usedAddress user address of the used ring (split) or of the device's event suppression structure (packed)
 * @param base where to go on, in vhost-user's encoding; split: the next available index; packed: bits 0–14 available
 * index, 15 its
 *     wrap counter, 16–30 used index, 31 its wrap counter
 * @param memory the snapshot that addresses are translated with
 * @param inflightAddress host address of this queue's region of the in-flight buffer, or 0 if there is none
 * @param inflightBytes length of that region
 */
public record QueueConfig(
        int size,
        long features,
        long descriptorAddress,
        long availAddress,
        long usedAddress,
        int base,
        GuestMemory memory,
        long inflightAddress,
        long inflightBytes) {

    /** A configuration without an in-flight region. */
    public QueueConfig(
            int size,
            long features,
            long descriptorAddress,
            long availAddress,
            long usedAddress,
            int base,
            GuestMemory memory) {
        this(size, features, descriptorAddress, availAddress, usedAddress, base, memory, 0, 0);
    }
}
