package io.gatun.vring;

import io.gatun.linux.Memory;

/** The bytes of a split ring that our driver and our device share: what tests look at, and forge. */
record SplitRingBytes(TwoSides sides) {
    long descriptors() {
        return host(sides.driver.descriptorAddress());
    }

    long avail() {
        return host(sides.driver.availAddress());
    }

    long used() {
        return host(sides.driver.usedAddress());
    }

    private long host(long user) {
        return sides.guest.memory().translateUser(user, 1);
    }

    int availFlags() {
        return Memory.getUnsignedShort(avail());
    }

    int availIdx() {
        return Memory.getUnsignedShort(avail() + 2);
    }

    int availElement(int slot) {
        return Memory.getUnsignedShort(avail() + 4 + 2L * slot);
    }

    int usedEvent() {
        return Memory.getUnsignedShort(avail() + 4 + 2L * sides.driver.size());
    }

    int usedFlags() {
        return Memory.getUnsignedShort(used());
    }

    int usedIdx() {
        return Memory.getUnsignedShort(used() + 2);
    }

    void putUsedIdx(int value) {
        Memory.putShort(used() + 2, value);
    }

    int availEvent() {
        return Memory.getUnsignedShort(used() + 4 + 8L * sides.driver.size());
    }

    void putAvailEvent(int value) {
        Memory.putShort(used() + 4 + 8L * sides.driver.size(), value);
    }

    long address(int descriptor) {
        return Memory.getLong(descriptors() + 16L * descriptor);
    }

    long length(int descriptor) {
        return Memory.getUnsignedInt(descriptors() + 16L * descriptor + 8);
    }

    int flags(int descriptor) {
        return Memory.getUnsignedShort(descriptors() + 16L * descriptor + 12);
    }

    int next(int descriptor) {
        return Memory.getUnsignedShort(descriptors() + 16L * descriptor + 14);
    }
}
