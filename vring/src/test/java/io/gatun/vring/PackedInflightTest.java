package io.gatun.vring;

import static io.gatun.vring.RawPackedRing.AVAIL;
import static io.gatun.vring.RawPackedRing.NEXT;
import static io.gatun.vring.RawPackedRing.USED;
import static io.gatun.vring.RawPackedRing.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * vhost-user, "Inflight I/O tracking", packed virtqueue: the region's bytes, and what a front-end can forge in it.
 * Death between any two stores is {@link InflightCrashTest}'s.
 */
class PackedInflightTest {
    private static final int SIZE = 4;
    private static final int FIRST_BASE = RawPackedRing.base(0, 1);

    private final RawPackedRing ring = new RawPackedRing(SIZE);
    private final long buffer = ring.buffer(4096);
    private final long regionBytes = InflightLayout.regionBytes(true, SIZE);
    private final long region = ring.guest.host(ring.guest.allocate(2, regionBytes, 8));
    private final DescriptorChain chain = new DescriptorChain(1);

    @AfterEach
    void release() {
        ring.close();
    }

    private PackedDeviceQueue open() {
        return open(FIRST_BASE, region, regionBytes);
    }

    private PackedDeviceQueue open(int base, long regionAddress, long bytes) {
        QueueConfig plain = ring.config(VirtioFeatures.INDIRECT_DESC, base);
        return new PackedDeviceQueue(new QueueConfig(
                plain.size(),
                plain.features(),
                plain.descriptorAddress(),
                plain.availAddress(),
                plain.usedAddress(),
                plain.base(),
                plain.memory(),
                regionAddress,
                bytes));
    }

    private static long entry(int index) {
        return 32 + 32L * index;
    }

    private int getByte(long offset) {
        return Memory.getByte(region + offset);
    }

    private int getShort(long offset) {
        return Memory.getUnsignedShort(region + offset);
    }

    private void putByte(long offset, int value) {
        Memory.putByte(region + offset, (byte) value);
    }

    private void putShort(long offset, int value) {
        Memory.putShort(region + offset, value);
    }

    /** Ids of what can be popped, in order. */
    private List<Integer> popAll(PackedDeviceQueue queue) {
        List<Integer> ids = new ArrayList<>();
        while (queue.pop(chain)) {
            ids.add(chain.id);
        }
        assertNull(queue.brokenReason());
        return ids;
    }

    /** A queue with chain 10 of slots 0 and 1, and chain 11 of slot 2, both popped. */
    private PackedDeviceQueue twoInFlight(List<DescriptorChain> chains) {
        Memory.fill(region, regionBytes, (byte) 0);
        Memory.fill(ring.guest.host(ring.ring), 16 * SIZE, (byte) 0);
        ring.offer(1, buffer + 16, 24, 10, WRITE);
        ring.offer(0, buffer, 8, 99, NEXT);
        ring.offer(2, buffer + 64, 4, 11, 0);
        PackedDeviceQueue queue = open();
        for (int i = 0; i < 2; i++) {
            DescriptorChain next = new DescriptorChain(1);
            assertTrue(queue.pop(next));
            chains.add(next);
        }
        return queue;
    }

    @Test
    @DisplayName("A region has 32 bytes of header and 32 per entry; a fresh one is one long free list")
    void freshRegion() {
        assertEquals(32 + 32 * 128, InflightLayout.regionBytes(true, 128));
        open(RawPackedRing.base(3, 0), region, regionBytes);
        assertEquals(0, Memory.getLong(region), "features");
        assertEquals(1, getShort(8), "version");
        assertEquals(SIZE, getShort(10), "desc_num");
        assertEquals(0, getShort(12), "free_head");
        assertEquals(0, getShort(14), "old_free_head");
        assertEquals(3, getShort(16), "used_idx");
        assertEquals(3, getShort(18), "old_used_idx");
        assertEquals(0, getByte(20), "used_wrap_counter");
        assertEquals(0, getByte(21), "old_used_wrap_counter");
        for (int i = 0; i < SIZE; i++) {
            assertEquals(i + 1, getShort(entry(i) + 2), "next");
            assertEquals(0, getByte(entry(i)), "inflight");
        }
    }

    @Test
    @DisplayName("Popping copies descriptors in list order, and publishing puts the entries back at the list's head")
    void entriesFollowTheChains() {
        List<DescriptorChain> chains = new ArrayList<>();
        PackedDeviceQueue queue = twoInFlight(chains);
        assertEquals(1, getByte(entry(0)), "inflight");
        assertEquals(1, getShort(entry(0) + 4), "last");
        assertEquals(2, getShort(entry(0) + 6), "num");
        assertEquals(0, Memory.getLong(region + entry(0) + 8), "counter");
        assertEquals(99, getShort(entry(0) + 16), "id");
        assertEquals(AVAIL | NEXT, getShort(entry(0) + 18), "flags");
        assertEquals(8, Memory.getUnsignedInt(region + entry(0) + 20), "len");
        assertEquals(buffer, Memory.getLong(region + entry(0) + 24), "addr");
        assertEquals(0, getByte(entry(1)), "only heads are marked");
        assertEquals(10, getShort(entry(1) + 16));
        assertEquals(AVAIL | WRITE, getShort(entry(1) + 18));
        assertEquals(24, Memory.getUnsignedInt(region + entry(1) + 20));
        assertEquals(buffer + 16, Memory.getLong(region + entry(1) + 24));
        assertEquals(1, getByte(entry(2)));
        assertEquals(1, Memory.getLong(region + entry(2) + 8), "counter");
        assertEquals(3, getShort(12), "free_head");
        assertEquals(3, getShort(14), "old_free_head");
        queue.putUsed(chains.get(0), 24);
        assertEquals(3, getShort(12), "put is not published");
        queue.publishUsed();
        assertEquals(0, getByte(entry(0)));
        assertEquals(0, getShort(12));
        assertEquals(0, getShort(14));
        assertEquals(3, getShort(entry(1) + 2), "the chain's last entry leads to the former head");
        assertEquals(2, getShort(16), "used_idx counts slots");
        assertEquals(2, getShort(18));
    }

    @Test
    @DisplayName("Survivors come first, in the order of their first pop and with all that the ring no longer says")
    void survivorsComeFromTheirCopies() {
        List<DescriptorChain> chains = new ArrayList<>();
        PackedDeviceQueue queue = twoInFlight(chains);
        queue.putUsed(chains.get(1), 0);
        queue.publishUsed();
        // Slot 0 now holds the used descriptor of chain 11: of chain 10's first descriptor only the copy is left.
        assertEquals(11, ring.id(0));
        ring.offer(3, buffer + 128, 4, 12, 0);
        PackedDeviceQueue successor = open();
        assertEquals(RawPackedRing.base(1, 1) & 0xffff, successor.base() >>> 16, "used");
        assertEquals(RawPackedRing.base(3, 1) & 0xffff, successor.base() & 0xffff, "available");
        assertFalse(successor.armKicks(), "survivors are work");
        assertTrue(successor.pop(chain));
        assertEquals(10, chain.id);
        assertEquals(2, chain.descriptorCount);
        assertEquals(1, chain.readableCount);
        assertEquals(8, chain.readableBytes);
        assertEquals(24, chain.writableBytes);
        assertEquals(ring.guest.host(buffer), chain.addresses[0]);
        assertEquals(ring.guest.host(buffer + 16), chain.addresses[1]);
        assertEquals(List.of(12), popAll(successor));
        assertEquals(List.of(10, 12), popAll(open()), "a second crash keeps the order");
    }

    @Test
    @DisplayName("The stale base that a front-end gives after a crash is not believed")
    void baseComesFromTheRegion() {
        List<DescriptorChain> chains = new ArrayList<>();
        PackedDeviceQueue queue = twoInFlight(chains);
        queue.putUsed(chains.get(0), 0);
        queue.publishUsed();
        for (int base : new int[] {FIRST_BASE, RawPackedRing.base(1, 0), 0}) {
            int expected = (3 | 1 << 15) | (2 | 1 << 15) << 16;
            assertEquals(expected, open(base, region, regionBytes).base());
        }
    }

    @Test
    @DisplayName("The first request on a ring with a past is not lost (SPDK #3766): a fresh region begins at the base")
    void freshRegionOnARingThatWasUsedBefore() {
        ring.offer(2, buffer, 16, 5, 0);
        int base = RawPackedRing.base(2, 1);
        assertEquals(List.of(5), popAll(open(base, region, regionBytes)));
        assertEquals(List.of(5), popAll(open(base, region, regionBytes)));
    }

    @Test
    @DisplayName("A region left by a queue of another size is void: the driver has reset the queue since")
    void regionOfAnotherSize() {
        twoInFlight(new ArrayList<>());
        putShort(10, SIZE + 1);
        PackedDeviceQueue successor = open(RawPackedRing.base(1, 0), region, regionBytes);
        assertEquals(List.of(), popAll(successor));
        assertEquals(RawPackedRing.base(1, 0), successor.base());
        assertEquals(SIZE, getShort(10));
    }

    @Test
    @DisplayName("A survivor's copy is checked like a descriptor: the front-end can write to it at any time")
    void survivorWithABadCopy() {
        twoInFlight(new ArrayList<>());
        PackedDeviceQueue successor = open();
        Memory.putLong(region + entry(0) + 24, 0x10);
        assertFalse(successor.pop(chain));
        assertTrue(successor.brokenReason().contains("no memory region"), successor.brokenReason());
        assertFalse(successor.pop(chain));
    }

    @Test
    @DisplayName("Links forged after recovery lead nowhere: the running queue does not read them")
    void linksForgedLater() {
        List<DescriptorChain> chains = new ArrayList<>();
        PackedDeviceQueue queue = twoInFlight(chains);
        Memory.fill(region, regionBytes, (byte) 0xff);
        ring.offer(3, buffer, 16, 12, 0);
        assertTrue(queue.pop(chain));
        queue.putUsed(chain, 0);
        queue.putUsed(chains.get(1), 0);
        queue.putUsed(chains.get(0), 0);
        queue.publishUsed();
        ring.descriptor(0, buffer, 16, 13, USED);
        assertEquals(List.of(13), popAll(queue));
        assertNull(queue.brokenReason());
    }

    @Test
    @DisplayName("A forged region is refused with a reason")
    void forgedRegions() {
        assertRefused("unknown version", () -> putShort(8, 2));
        assertRefused("unknown features", () -> putByte(0, 1));
        assertRefused("used index", () -> putShort(18, SIZE));
        assertRefused("used index", () -> putShort(16, 0xffff));
        assertRefused("wrap counter", () -> putByte(21, 2));
        assertRefused("wrap counter", () -> putByte(20, 0xff));
        assertRefused("entries are free", () -> putShort(14, SIZE));
        assertRefused("comes to entry 3 again", () -> putShort(entry(3) + 2, 3));
        assertRefused("not its own", () -> putShort(14, 1));
        assertRefused("does not end", () -> putShort(entry(0) + 2, 2));
        assertRefused("not its own", () -> putShort(entry(0) + 2, 0));
        assertRefused("not its own", () -> putShort(entry(0) + 2, 3));
        assertRefused("not its own", () -> putShort(entry(0) + 2, 0xffff));
        assertRefused("does not end", () -> putShort(entry(0) + 4, 2));
        assertRefused("does not end", () -> putShort(entry(0) + 6, 0));
        assertRefused("does not end", () -> putShort(entry(0) + 6, 1));
        assertRefused("not its own", () -> putShort(entry(0) + 6, 0xffff));
        assertRefused("entries are free", () -> putByte(entry(0), 0));
        assertRefused("does not end", () -> putByte(entry(1), 1));
    }

    /** Forges a region in which entries 0 and 1 and entry 2 are in flight and entry 3 is free. */
    private void assertRefused(String words, Runnable forge) {
        twoInFlight(new ArrayList<>());
        assertEquals(List.of(10, 11), popAll(open()));
        forge.run();
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, this::open);
        assertTrue(refusal.getMessage().startsWith("in-flight region: "), refusal.getMessage());
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }

    @Test
    @DisplayName("A region that is too small or misaligned is refused")
    void badPlaces() {
        assertThrows(IllegalArgumentException.class, () -> open(FIRST_BASE, region, regionBytes - 1));
        assertThrows(IllegalArgumentException.class, () -> open(FIRST_BASE, region + 4, regionBytes));
    }

    @Test
    @DisplayName("Random bytes in the region never lead outside memory, and never to more chains than descriptors")
    void randomBytes() {
        for (long seed = 1; seed <= 5000; seed++) {
            Random random = new Random(seed);
            List<DescriptorChain> chains = new ArrayList<>();
            PackedDeviceQueue queue = twoInFlight(chains);
            if (random.nextBoolean()) {
                queue.putUsed(chains.get(1), 0);
                queue.publishUsed();
            }
            for (int i = random.nextInt(1, 6); i > 0; i--) {
                putByte(random.nextLong(regionBytes), random.nextInt(-2, 6));
            }
            try {
                PackedDeviceQueue successor = open();
                int count = 0;
                while (successor.pop(chain)) {
                    count++;
                    successor.putUsed(chain, 0);
                    successor.publishUsed();
                }
                assertTrue(count <= 2 * SIZE, "seed " + seed);
            } catch (IllegalArgumentException refused) {
                assertTrue(refused.getMessage().startsWith("in-flight region: "), "seed " + seed);
            }
        }
    }
}
