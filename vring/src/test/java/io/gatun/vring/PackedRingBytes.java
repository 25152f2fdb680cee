package io.gatun.vring;

import io.gatun.linux.Memory;

/** The bytes of a packed ring that our driver and our device share: what tests look at, and forge. */
record PackedRingBytes(TwoSides sides) {
    long ring() {
        return host(sides.driver.descriptorAddress());
    }

    private long host(long user) {
        return sides.guest.memory().translateUser(user, 1);
    }

    long address(int slot) {
        return Memory.getLong(ring() + 16L * slot);
    }

    long length(int slot) {
        return Memory.getUnsignedInt(ring() + 16L * slot + 8);
    }

    int id(int slot) {
        return Memory.getUnsignedShort(ring() + 16L * slot + 12);
    }

    int flags(int slot) {
        return Memory.getUnsignedShort(ring() + 16L * slot + 14);
    }

    /** Writes a used descriptor as a device would, flags last. */
    void use(int slot, int id, long length, int flags) {
        Memory.putInt(ring() + 16L * slot + 8, (int) length);
        Memory.putShort(ring() + 16L * slot + 12, id);
        Memory.releaseFence();
        Memory.putShort(ring() + 16L * slot + 14, flags);
    }

    /** The driver's event suppression as one word. */
    int driverEvent() {
        return Memory.getInt(host(sides.driver.availAddress()));
    }

    /** The device's event suppression as one word. */
    int deviceEvent() {
        return Memory.getInt(host(sides.driver.usedAddress()));
    }

    void putDriverEvent(int word) {
        Memory.putInt(host(sides.driver.availAddress()), word);
    }

    void putDeviceEvent(int word) {
        Memory.putInt(host(sides.driver.usedAddress()), word);
    }
}
