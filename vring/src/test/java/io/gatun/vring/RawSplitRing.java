package io.gatun.vring;

import io.gatun.linux.Memory;

/**
 * A split ring written byte by byte, as a driver without scruples would; the device under test meets it like any other.
 * Region 0 of the guest holds the ring, region 1 buffers.
 */
final class RawSplitRing implements AutoCloseable {
    static final int NEXT = 1;
    static final int WRITE = 2;
    static final int INDIRECT = 4;

    final TestGuest guest;
    final int size;
    final long descriptors;
    final long avail;
    final long used;
    private int offered;

    RawSplitRing(int size) {
        this(size, TestGuest.apart(1 << 20, 1 << 16, 1 << 16));
    }

    RawSplitRing(int size, TestGuest guest) {
        this.size = size;
        this.guest = guest;
        descriptors = guest.allocate(0, 16L * size, 16);
        avail = guest.allocate(0, 6 + 2L * size, 2);
        used = guest.allocate(0, 6 + 8L * size, 4);
    }

    QueueConfig config(long features, int base) {
        return new QueueConfig(
                size,
                features | VirtioFeatures.VERSION_1,
                TestGuest.user(descriptors),
                TestGuest.user(avail),
                TestGuest.user(used),
                base,
                guest.memory());
    }

    SplitDeviceQueue device(long features) {
        return new SplitDeviceQueue(config(features, 0));
    }

    /** Guest memory for a buffer. */
    long buffer(long bytes) {
        return guest.allocate(1, bytes, 1);
    }

    void descriptor(int index, long address, long length, int flags, int next) {
        descriptorAt(descriptors + 16L * index, address, length, flags, next);
    }

    void descriptorAt(long guestAddress, long address, long length, int flags, int next) {
        long at = guest.host(guestAddress);
        Memory.putLong(at, address);
        Memory.putInt(at + 8, (int) length);
        Memory.putShort(at + 12, flags);
        Memory.putShort(at + 14, next);
    }

    /** Makes a head available at once. */
    void offer(int head) {
        Memory.putShort(guest.host(avail + 4 + 2L * (offered & (size - 1))), head);
        offered++;
        availIdx(offered);
    }

    void availIdx(int value) {
        offered = value;
        Memory.releaseFence();
        Memory.putShort(guest.host(avail + 2), value);
    }

    void availFlags(int value) {
        Memory.putShort(guest.host(avail), value);
    }

    void usedEvent(int value) {
        Memory.putShort(guest.host(avail + 4 + 2L * size), value);
    }

    int usedIdx() {
        return Memory.getUnsignedShort(guest.host(used + 2));
    }

    void setUsedIdx(int value) {
        Memory.putShort(guest.host(used + 2), value);
    }

    int usedFlags() {
        return Memory.getUnsignedShort(guest.host(used));
    }

    long usedId(int slot) {
        return Memory.getUnsignedInt(guest.host(used + 4 + 8L * slot));
    }

    long usedLen(int slot) {
        return Memory.getUnsignedInt(guest.host(used + 8 + 8L * slot));
    }

    int availEvent() {
        return Memory.getUnsignedShort(guest.host(used + 4 + 8L * size));
    }

    @Override
    public void close() {
        guest.close();
    }
}
