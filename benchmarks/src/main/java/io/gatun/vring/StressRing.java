package io.gatun.vring;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Both sides of a ring and two buffers, in one page of memory: what the stress tests of rings share. Each buffer is a
 * question of 8 bytes that the driver writes, and an answer of 8 bytes that the device writes.
 *
 * <p>jcstress makes these by the ten thousand and does not say when it has done with one, so they take the pages of one
 * mapping in turn. It keeps two of its epochs at most, of 100 000 at its defaults; a page comes round after that.
 */
class StressRing {
    /** How far driver and device have come before the test starts. */
    enum Stage {
        EMPTY,
        /** The driver has asked, and not made it available. */
        ASKED,
        /** The device has taken the questions. */
        TAKEN,
        /** The device has answered, and not made it visible. */
        ANSWERED
    }

    private static final int BUFFERS = 2;
    private static final int SIZE = 4;
    private static final int PAGES = 1 << 18;
    private static final int PAGE_BYTES = 4096;
    private static final int BUFFER_OFFSET = PAGE_BYTES / 2;
    private static final long QUESTION = 0x1122_3344_5566_7788L;
    private static final Mapping AREA = Mapping.anonymous((long) PAGES * PAGE_BYTES);
    private static final GuestMemory MEMORY = GuestMemory.of(List.of(
            new GuestMemory.Region(AREA.address(), AREA.lengthBytes(), AREA.address(), AREA.address())));
    private static final AtomicInteger TAKEN = new AtomicInteger();

    final DriverQueue driver;
    final DeviceQueue device;

    /** How many buffers {@link #take} or {@link #collect} found that were not what the other side had written. */
    int torn;

    private final DescriptorChain[] chains = {new DescriptorChain(2), new DescriptorChain(2)};
    private final long[] segments = new long[2 * BUFFERS];
    private final int[] lengths = {8, 8, 8, 8};

    /** A ring whose sides have told each other to be quiet. */
    StressRing(boolean packed, long moreFeatures, Stage stage) {
        long page = AREA.address() + (long) (TAKEN.getAndIncrement() & (PAGES - 1)) * PAGE_BYTES;
        Memory.fill(page, PAGE_BYTES, (byte) 0);
        long features = VirtioFeatures.VERSION_1 | (packed ? VirtioFeatures.RING_PACKED : 0) | moreFeatures;
        driver = DriverQueue.create(packed, SIZE, features, page, page);
        device = DeviceQueue.create(new QueueConfig(
                SIZE,
                features,
                driver.descriptorAddress(),
                driver.availAddress(),
                driver.usedAddress(),
                packed ? 0x8000_8000 : 0,
                MEMORY));
        for (int i = 0; i < segments.length; i++) {
            segments[i] = page + BUFFER_OFFSET + 8L * i;
        }
        driver.suppressCalls();
        device.suppressKicks();
        if (stage != Stage.EMPTY) {
            ask();
        }
        if (stage == Stage.TAKEN || stage == Stage.ANSWERED) {
            driver.publishAvailable();
            take();
        }
        if (stage == Stage.ANSWERED) {
            answer();
        }
    }

    /** The driver asks, without making the buffers available yet. */
    final void ask() {
        for (int i = 0; i < BUFFERS; i++) {
            Memory.putLong(segments[2 * i], QUESTION + i);
            driver.add(segments, lengths, 2 * i, 1, 1);
        }
    }

    /** The device takes what is available; returns how many buffers that are. */
    final int take() {
        int taken = 0;
        while (taken < BUFFERS && device.pop(chains[taken])) {
            DescriptorChain chain = chains[taken];
            boolean whole = chain.segmentCount == 2
                    && chain.readableCount == 1
                    && chain.addresses[0] == segments[2 * taken]
                    && chain.addresses[1] == segments[2 * taken + 1]
                    && Memory.getLong(chain.addresses[0]) == QUESTION + taken;
            torn += whole ? 0 : 1;
            taken++;
        }
        torn += device.isBroken() ? 1 : 0;
        return taken;
    }

    /** The device answers both, without making the answers visible yet. */
    final void answer() {
        for (int i = 0; i < BUFFERS; i++) {
            Memory.putLong(chains[i].addresses[1], ~(QUESTION + i));
            device.putUsed(chains[i], 8);
        }
    }

    /** The driver collects what is used; returns how many buffers that are. */
    final int collect() {
        int collected = 0;
        while (collected < BUFFERS && driver.popUsed() >= 0) {
            long answer = Memory.getLong(segments[2 * collected + 1]);
            boolean whole = driver.usedLength() == 8 && answer == ~(QUESTION + collected);
            torn += whole ? 0 : 1;
            collected++;
        }
        torn += driver.isBroken() ? 1 : 0;
        return collected;
    }
}
