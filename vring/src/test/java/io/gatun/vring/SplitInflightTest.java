package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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
 * vhost-user, "Inflight I/O tracking", split virtqueue: the region's states one by one, as left behind by a back-end
 * that died between any two stores, and as forged by a front-end. Longer than a file should be: each state is built by
 * hand, and read beside the one before it.
 */
class SplitInflightTest {
    private static final int SIZE = 4;
    private static final long FEATURES = VirtioFeatures.VERSION_1 | VirtioFeatures.INDIRECT_DESC;

    private final RawSplitRing ring = new RawSplitRing(SIZE);
    private final long buffer = ring.buffer(4096);
    private final long regionBytes = InflightLayout.regionBytes(false, SIZE);
    private final long region = ring.guest.host(ring.guest.allocate(2, regionBytes, 8));
    private final DescriptorChain chain = new DescriptorChain(1);

    @AfterEach
    void release() {
        ring.close();
    }

    private SplitDeviceQueue open() {
        return open(0);
    }

    private SplitDeviceQueue open(int base) {
        QueueConfig plain = ring.config(FEATURES, base);
        return new SplitDeviceQueue(new QueueConfig(
                plain.size(),
                plain.features(),
                plain.descriptorAddress(),
                plain.availAddress(),
                plain.usedAddress(),
                plain.base(),
                plain.memory(),
                region,
                regionBytes));
    }

    private void offer(int... heads) {
        for (int head : heads) {
            ring.descriptor(head, buffer + 16L * head, 16, 0, 0);
            ring.offer(head);
        }
    }

    private List<Integer> popAll(SplitDeviceQueue queue) {
        List<Integer> heads = new ArrayList<>();
        while (queue.pop(chain)) {
            heads.add(chain.id);
        }
        assertFalse(queue.isBroken(), queue.brokenReason());
        return heads;
    }

    private void put(SplitDeviceQueue queue, int... heads) {
        for (int head : heads) {
            chain.id = head;
            queue.putUsed(chain, 0);
        }
    }

    private void setMark(int entry, int mark) {
        Memory.putByte(region + 16 + 16L * entry, (byte) mark);
    }

    private void setNext(int entry, int next) {
        Memory.putShort(region + 16 + 16L * entry + 6, next);
    }

    private void setHeader(int offset, int value) {
        Memory.putShort(region + offset, value);
    }

    private int header(int offset) {
        return Memory.getUnsignedShort(region + offset);
    }

    @Test
    @DisplayName("A region has 16 bytes of header and 16 per entry")
    void layout() {
        assertEquals(16 + 16 * 128, InflightLayout.regionBytes(false, 128));
        ring.setUsedIdx(9);
        SplitDeviceQueue queue = open(9);
        ring.availIdx(9);
        offer(2, 1);
        assertEquals(List.of(2, 1), popAll(queue));
        put(queue, 1);
        queue.publishUsed();
        assertEquals(0, Memory.getLong(region), "features");
        assertEquals(1, header(8), "version");
        assertEquals(SIZE, header(10), "desc_num");
        assertEquals(1, header(12), "last_batch_head");
        assertEquals(10, header(14), "used_idx");
        assertEquals(1, Memory.getByte(region + 16 + 16 * 2), "descriptor 2 is in flight");
        assertEquals(0, Memory.getByte(region + 16 + 16), "descriptor 1 is not any more");
        assertEquals(0, Memory.getLong(region + 16 + 16 * 2 + 8), "first counter");
        assertEquals(1, Memory.getLong(region + 16 + 16 + 8), "second counter");
    }

    @Test
    @DisplayName("SPDK #3766: the used index of a fresh region is the ring's, so a first request in flight is not lost")
    void freshRegionOnARingThatWasUsedBefore() {
        ring.setUsedIdx(1);
        ring.availIdx(1);
        SplitDeviceQueue queue = open(1);
        offer(0);
        assertEquals(List.of(0), popAll(queue));
        assertEquals(1, header(14));
        assertEquals(List.of(0), popAll(open(1)), "the successor resubmits descriptor 0");
    }

    @Test
    @DisplayName("Survivors come first, in the order of their first pop, then what is newly available")
    void survivorsInCounterOrderThenNewChains() {
        SplitDeviceQueue queue = open();
        offer(3, 1, 2);
        assertEquals(List.of(3, 1, 2), popAll(queue));
        put(queue, 1);
        queue.publishUsed();
        offer(0);
        SplitDeviceQueue successor = open();
        assertEquals(1 + 2, successor.base(), "used index and number in flight");
        assertFalse(successor.armKicks(), "survivors are work");
        assertEquals(List.of(3, 2, 0), popAll(successor));
        assertEquals(4, successor.base());
        offer(1);
        assertEquals(List.of(3, 2, 0, 1), popAll(open()), "a second crash keeps the order");
    }

    @Test
    @DisplayName("The index the front-end gives is not believed where the region knows better")
    void baseComesFromTheRegion() {
        SplitDeviceQueue queue = open();
        offer(0, 1);
        popAll(queue);
        put(queue, 0);
        queue.publishUsed();
        assertEquals(2, open(1).base());
        assertEquals(2, open(0xffff).base());
    }

    @Test
    @DisplayName("A fresh region goes on where the front-end says")
    void freshRegionTakesTheGivenBase() {
        ring.availIdx(7);
        ring.setUsedIdx(7);
        assertEquals(7, open(7).base());
    }

    @Test
    @DisplayName("A survivor's chain is checked like any other")
    void survivorWithABadChain() {
        SplitDeviceQueue queue = open();
        offer(0, 1);
        popAll(queue);
        ring.descriptor(0, 0x10, 16, 0, 0);
        SplitDeviceQueue successor = open();
        assertFalse(successor.pop(chain));
        assertTrue(successor.brokenReason().contains("no memory region"));
        assertFalse(successor.pop(chain));
    }

    @Test
    @DisplayName("Death between any two stores loses nothing and repeats nothing that was published")
    void deathBetweenAnyTwoStores() {
        // Four chains popped in an order, some of them put in another, then death at each step of publication.
        int[] order = {2, 0, 3, 1};
        for (int start : new int[] {0, 0xfffe}) {
            for (int puts = 0; puts <= SIZE; puts++) {
                for (int earlier = 0; earlier <= puts; earlier++) {
                    for (int step = 0; step <= puts - earlier + 2; step++) {
                        deathAt(start, order, earlier, puts, step);
                    }
                }
            }
        }
    }

    private void deathAt(int start, int[] order, int earlier, int puts, int step) {
        Memory.fill(region, regionBytes, (byte) 0);
        ring.setUsedIdx(start);
        ring.availIdx(start);
        SplitDeviceQueue queue = open(start);
        offer(0, 1, 2, 3);
        popAll(queue);
        for (int i = 0; i < earlier; i++) {
            put(queue, order[i]);
        }
        queue.publishUsed();
        for (int i = earlier; i < puts; i++) {
            put(queue, order[i]);
        }
        // The steps of publishUsed, by hand: index (1), each mark (2…), the region's copy of the index.
        int batch = puts - earlier;
        if (step >= 1) {
            ring.setUsedIdx(start + puts & 0xffff);
        }
        for (int i = 0; i < Math.min(batch, step - 1); i++) {
            setMark(order[earlier + i], 0);
        }
        if (step == batch + 2) {
            setHeader(14, start + puts & 0xffff);
        }
        List<Integer> expected = new ArrayList<>(List.of(0, 1, 2, 3));
        for (int i = 0; i < (step >= 1 ? puts : earlier); i++) {
            expected.remove(Integer.valueOf(order[i]));
        }
        String where = "earlier " + earlier + ", puts " + puts + ", step " + step;
        SplitDeviceQueue successor = open(ring.usedIdx());
        assertEquals(start + SIZE & 0xffff, successor.base(), where);
        assertEquals(expected, popAll(successor), where);
    }

    @Test
    @DisplayName("Death while popping: a counter without its mark is no chain in flight")
    void deathBetweenCounterAndMark() {
        SplitDeviceQueue queue = open();
        offer(1, 2);
        popAll(queue);
        setMark(2, 0);
        SplitDeviceQueue successor = open();
        assertEquals(1, successor.base());
        assertEquals(List.of(1, 2), popAll(successor), "descriptor 2 comes from the available ring again");
    }

    @Test
    @DisplayName("Death while putting: a link that last_batch_head does not lead to changes nothing")
    void deathBetweenLinkAndHead() {
        SplitDeviceQueue queue = open();
        offer(0, 1);
        popAll(queue);
        setNext(1, 0);
        SplitDeviceQueue successor = open();
        assertEquals(List.of(0, 1), popAll(successor));
        put(successor, 1, 0);
        successor.publishUsed();
        assertEquals(List.of(), popAll(open()));
    }

    @Test
    @DisplayName("Random loads with deaths: every chain is answered exactly once, in every life")
    void randomLivesAnswerEveryChainOnce() {
        for (long seed = 1; seed <= 300; seed++) {
            randomLives(new Random(seed), "seed " + seed);
        }
    }

    private void randomLives(Random random, String seed) {
        Memory.fill(region, regionBytes, (byte) 0);
        int index = random.nextInt(0x10000);
        ring.setUsedIdx(index);
        ring.availIdx(index);
        SplitDeviceQueue queue = open(index);
        List<Integer> free = new ArrayList<>(List.of(0, 1, 2, 3));
        List<Integer> available = new ArrayList<>();
        List<Integer> popped = new ArrayList<>();
        List<Integer> put = new ArrayList<>();
        for (int step = 0; step < 200; step++) {
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    if (!free.isEmpty()) {
                        int head = takeAt(free, random);
                        offer(head);
                        available.add(head);
                    }
                }
                case 2 -> {
                    boolean any = queue.pop(chain);
                    assertEquals(!available.isEmpty(), any, seed);
                    if (any) {
                        assertEquals(available.removeFirst(), chain.id, seed);
                        popped.add(chain.id);
                    }
                }
                case 3 -> {
                    if (!popped.isEmpty()) {
                        int head = takeAt(popped, random);
                        put(queue, head);
                        put.add(head);
                    }
                }
                case 4 -> {
                    queue.publishUsed();
                    free.addAll(put);
                    put.clear();
                }
                default -> {
                    // Death. What was put and not published is popped again; the order is that of the first pop.
                    queue = open(ring.usedIdx());
                    List<Integer> again = inCounterOrder(popped, put);
                    again.addAll(available);
                    available = again;
                    popped.clear();
                    put.clear();
                }
            }
        }
    }

    private List<Integer> inCounterOrder(List<Integer> popped, List<Integer> put) {
        List<Integer> heads = new ArrayList<>(popped);
        heads.addAll(put);
        heads.sort((a, b) -> Long.compare(counter(a), counter(b)));
        return heads;
    }

    private static int takeAt(List<Integer> heads, Random random) {
        int at = random.nextInt(heads.size());
        int head = heads.get(at);
        heads.subList(at, at + 1).clear();
        return head;
    }

    private long counter(int entry) {
        return Memory.getLong(region + 16 + 16L * entry + 8);
    }

    @Test
    @DisplayName("A forged region is refused with a reason")
    void forgedRegions() {
        assertRefused("unknown version", () -> setHeader(8, 2));
        assertRefused("features", () -> Memory.putLong(region, 1));
        assertRefused("desc_num", () -> setHeader(10, SIZE - 1));
        assertRefused("desc_num", () -> setHeader(10, SIZE + 1));
        assertRefused("desc_num", () -> setHeader(10, 0xffff));
        assertRefused("last_batch_head", () -> setHeader(12, SIZE));
        assertRefused("last_batch_head", () -> setHeader(12, 0xffff));
        assertRefused("mark 2", () -> setMark(1, 2));
        assertRefused("mark -1", () -> setMark(1, 0xff));
        assertRefused("lags behind", () -> setHeader(14, 0xfff0));
        assertRefused("lags behind", () -> setHeader(14, 1));
        assertRefused("again", () -> {
            setHeader(14, 0xfffe);
            setHeader(12, 1);
            setNext(1, 1);
        });
        assertRefused("leads to entry 4", () -> {
            setHeader(14, 0xfffe);
            setHeader(12, 1);
            setNext(1, SIZE);
        });
    }

    /** Forges a region in which chain 0 is in flight. */
    private void assertRefused(String words, Runnable forge) {
        Memory.fill(region, regionBytes, (byte) 0);
        ring.setUsedIdx(0);
        ring.availIdx(0);
        SplitDeviceQueue queue = open();
        offer(0);
        popAll(queue);
        forge.run();
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, this::open);
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }

    @Test
    @DisplayName("A region that is too small or misaligned is refused")
    void badPlaces() {
        assertThrows(IllegalArgumentException.class, () -> new SplitInflight(region, regionBytes - 1, SIZE, 0));
        assertThrows(IllegalArgumentException.class, () -> new SplitInflight(region + 4, regionBytes, SIZE, 0));
    }

    @Test
    @DisplayName("A larger region, made for the largest queue, serves a smaller queue of the driver's choice")
    void regionOfALargerQueue() {
        long large = ring.guest.host(ring.guest.allocate(2, InflightLayout.regionBytes(false, 64), 8));
        Memory.putShort(large + 8, 1);
        Memory.putShort(large + 10, 64);
        Memory.putByte(large + 16 + 16 * 3, (byte) 1);
        SplitInflight recovered = new SplitInflight(large, InflightLayout.regionBytes(false, 64), SIZE, 0);
        assertEquals(1, recovered.survivorCount());
        assertEquals(3, recovered.takeSurvivor());
    }

    @Test
    @DisplayName("Random bytes in the region never lead outside memory, and never to more chains than descriptors")
    void randomBytes() {
        for (long seed = 1; seed <= 5000; seed++) {
            Random random = new Random(seed);
            Memory.fill(region, regionBytes, (byte) 0);
            ring.setUsedIdx(0);
            ring.availIdx(0);
            SplitDeviceQueue queue = open();
            offer(0, 1, 2);
            popAll(queue);
            put(queue, 1);
            if (random.nextBoolean()) {
                queue.publishUsed();
            }
            for (int i = random.nextInt(1, 6); i > 0; i--) {
                Memory.putByte(region + random.nextLong(regionBytes), (byte) random.nextInt(-2, 6));
            }
            try {
                SplitDeviceQueue successor = open();
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
