package io.gatun.benchmarks;

import io.gatun.linux.Mapping;
import io.gatun.vring.DescriptorChain;
import io.gatun.vring.DeviceQueue;
import io.gatun.vring.DriverQueue;
import io.gatun.vring.GuestMemory;
import io.gatun.vring.QueueConfig;
import io.gatun.vring.VirtioFeatures;
import java.util.List;

/** A driver queue and a device queue over the same memory, with one buffer's segments to hand. */
final class RingPair implements AutoCloseable {
    static final int SIZE = 256;
    private static final long AREA_BYTES = 1 << 20;
    private static final int SEGMENT_BYTES = 64;
    private static final int DATA_OFFSET = 4096;

    final DriverQueue driver;
    final DeviceQueue device;
    final DescriptorChain chain = new DescriptorChain(8);
    final long[] addresses = new long[3];
    final int[] lengths = {SEGMENT_BYTES, SEGMENT_BYTES, SEGMENT_BYTES};
    private final Mapping area = Mapping.anonymous(AREA_BYTES);

    RingPair(boolean packed) {
        long base = area.address();
        long features = VirtioFeatures.VERSION_1 | (packed ? VirtioFeatures.RING_PACKED : 0);
        GuestMemory memory = GuestMemory.of(List.of(new GuestMemory.Region(base, AREA_BYTES, base, base)));
        driver = DriverQueue.create(packed, SIZE, features, base, base);
        int start = packed ? 0x8000_8000 : 0;
        device = DeviceQueue.create(new QueueConfig(
                SIZE,
                features,
                driver.descriptorAddress(),
                driver.availAddress(),
                driver.usedAddress(),
                start,
                memory));
        long data = base + AREA_BYTES / 2;
        for (int i = 0; i < addresses.length; i++) {
            addresses[i] = data + (long) i * SEGMENT_BYTES;
        }
        driver.suppressCalls();
        device.suppressKicks();
    }

    /** Makes the three segments a virtio-blk read: header, data, status. */
    void shapeAsRead(int bytes) {
        addresses[1] = addresses[0] + DATA_OFFSET;
        addresses[2] = addresses[0] + SEGMENT_BYTES / 2;
        lengths[0] = 16;
        lengths[1] = bytes;
        lengths[2] = 1;
    }

    @Override
    public void close() {
        area.close();
    }
}
