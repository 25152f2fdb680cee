package io.gatun.vring;

/** A driver queue and a device queue over the same ring memory, as a front-end and a back-end would have them. */
final class TwoSides implements AutoCloseable {
    /** Guest memory for buffers, beside region 0 with the rings. */
    static final int BUFFERS = 1;

    final TestGuest guest;
    final DriverQueue driver;
    final DescriptorChain chain = new DescriptorChain(4);
    final long features;
    DeviceQueue device;

    private final boolean packed;

    TwoSides(boolean packed, int size, long features) {
        this(packed, size, features, TestGuest.apart(DriverQueue.memoryBytes(packed, size), 1 << 20));
    }

    TwoSides(boolean packed, int size, long features, TestGuest guest) {
        this.packed = packed;
        this.guest = guest;
        this.features =
                features | VirtioFeatures.VERSION_1 | (packed ? VirtioFeatures.RING_PACKED : 0);
        long bytes = DriverQueue.memoryBytes(packed, size);
        long ring = guest.allocate(0, bytes, DriverQueue.ALIGNMENT_BYTES);
        driver = DriverQueue.create(packed, size, this.features, guest.host(ring), TestGuest.user(ring));
        device = DeviceQueue.create(config(firstBase(packed), 0, 0));
    }

    /** The base of a ring that was never used, in vhost-user's encoding. */
    static int firstBase(boolean packed) {
        return packed ? 1 << 15 | 1 << 31 : 0;
    }

    QueueConfig config(int base, long inflightAddress, long inflightBytes) {
        return new QueueConfig(
                driver.size(),
                features,
                driver.descriptorAddress(),
                driver.availAddress(),
                driver.usedAddress(),
                base,
                guest.memory(),
                inflightAddress,
                inflightBytes);
    }

    boolean packed() {
        return packed;
    }

    /** Takes buffer memory; answers its guest address. */
    long buffer(long bytes) {
        return guest.allocate(BUFFERS, bytes, 8);
    }

    /** Adds a buffer of one readable segment of 16 bytes. */
    int addOne(long guestAddress) {
        return driver.add(new long[] {guestAddress}, new int[] {16}, 0, 1, 0);
    }

    boolean pop() {
        return device.pop(chain);
    }

    @Override
    public void close() {
        guest.close();
    }
}
