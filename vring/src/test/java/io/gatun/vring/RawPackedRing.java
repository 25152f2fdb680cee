package io.gatun.vring;

import io.gatun.linux.Memory;

/**
 * A packed ring written byte by byte, as a driver without scruples would; the device under test meets it like any
 * other. Region 0 of the guest holds the ring, region 1 buffers, region 2 whatever a test wants.
 */
final class RawPackedRing implements AutoCloseable {
    static final int NEXT = 1;
    static final int WRITE = 2;
    static final int INDIRECT = 4;
    static final int AVAIL = 0x80;
    static final int USED = 0x8000;

    final TestGuest guest;
    final int size;
    final long ring;
    final long driverEvent;
    final long deviceEvent;

    RawPackedRing(int size) {
        this(size, TestGuest.apart(1 << 20, 1 << 16, 1 << 16));
    }

    RawPackedRing(int size, TestGuest guest) {
        this.size = size;
        this.guest = guest;
        ring = guest.allocate(0, 16L * size, 16);
        driverEvent = guest.allocate(0, 4, 4);
        deviceEvent = guest.allocate(0, 4, 4);
    }

    /** The base of a position: slot and wrap counter. */
    static int base(int slot, int wrap) {
        return (slot | wrap << 15) * 0x1_0001;
    }

    QueueConfig config(long features, int base) {
        return new QueueConfig(
                size,
                features | VirtioFeatures.VERSION_1 | VirtioFeatures.RING_PACKED,
                TestGuest.user(ring),
                TestGuest.user(driverEvent),
                TestGuest.user(deviceEvent),
                base,
                guest.memory());
    }

    PackedDeviceQueue device(long features) {
        return new PackedDeviceQueue(config(features, base(0, 1)));
    }

    /** Guest memory for a buffer. */
    long buffer(long bytes) {
        return guest.allocate(1, bytes, 1);
    }

    /** The flags of an available descriptor on a lap with the given wrap counter. */
    static int available(int wrap) {
        return wrap == 1 ? AVAIL : USED;
    }

    /** Writes a whole descriptor, flags last. */
    void descriptor(int slot, long address, long length, int id, int flags) {
        descriptorAt(ring + 16L * slot, address, length, id, flags);
    }

    /** As {@link #descriptor}, available on the first lap. */
    void offer(int slot, long address, long length, int id, int flags) {
        descriptor(slot, address, length, id, flags | AVAIL);
    }

    void descriptorAt(long guestAddress, long address, long length, int id, int flags) {
        long at = guest.host(guestAddress);
        Memory.putLong(at, address);
        Memory.putInt(at + 8, (int) length);
        Memory.putShort(at + 12, id);
        Memory.releaseFence();
        Memory.putShort(at + 14, flags);
    }

    long length(int slot) {
        return Memory.getUnsignedInt(guest.host(ring + 16L * slot + 8));
    }

    int id(int slot) {
        return Memory.getUnsignedShort(guest.host(ring + 16L * slot + 12));
    }

    int flags(int slot) {
        return Memory.getUnsignedShort(guest.host(ring + 16L * slot + 14));
    }

    void flags(int slot, int flags) {
        Memory.putShort(guest.host(ring + 16L * slot + 14), flags);
    }

    /** Writes the driver's event suppression. */
    void driverEvent(int offset, int wrap, int flags) {
        Memory.putInt(guest.host(driverEvent), offset | wrap << 15 | flags << 16);
    }

    /** The device's event suppression, as one word: flags above wrap counter and offset. */
    int deviceEvent() {
        return Memory.getInt(guest.host(deviceEvent));
    }

    @Override
    public void close() {
        guest.close();
    }
}
