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
    private static final int PAGE_BYTES = 4096;

    final DriverQueue driver;
    final DeviceQueue device;
    final DescriptorChain chain = new DescriptorChain(8);
    final long[] addresses = new long[3];
    final int[] lengths = {SEGMENT_BYTES, SEGMENT_BYTES, SEGMENT_BYTES};
    /** Where the page is that segments do not use; pages follow up to the area's end. */
    final long pages;
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
        pages = data + PAGE_BYTES;
        driver.suppressCalls();
        device.suppressKicks();
    }

    @Override
    public void close() {
        area.close();
    }
}
