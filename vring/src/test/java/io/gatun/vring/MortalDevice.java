package io.gatun.vring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A driver that lives, and a device that dies before a given store and is succeeded by another on the same memory, with
 * the front-end's stale base. Everything follows from the seed. A request is known by its buffer's address.
 */
final class MortalDevice implements AutoCloseable {
    private static final int BUFFER_BYTES = 32;

    /** What death throws: nothing may catch it on the way. */
    private static final class Death extends Error {
        private static final long serialVersionUID = 1;

        Death() {
            super("before a store", null, false, false);
        }
    }

    final TwoSides sides;
    private final Random random;
    private final Mapping region;
    private final boolean inOrder;
    private final int staleBase;
    private final long buffers;
    private final long[] tables;

    /** The request that each id stands for. */
    private final int[] requestOf;

    /** Requests added but not yet published. */
    private final List<Integer> added = new ArrayList<>();

    /** Requests that the driver made available and has not seen used, in order. */
    private final List<Integer> pending = new ArrayList<>();

    /** What was pending and has not been popped in this life. */
    private final List<Integer> expected = new ArrayList<>();

    /** Chains popped in this life and not put used. */
    private final List<DescriptorChain> held = new ArrayList<>();

    /** Of each request: the length it was last put used with, or −1. */
    private final List<Long> putLength = new ArrayList<>();

    /** Of each request: how many bytes may be written. */
    private final List<Long> writable = new ArrayList<>();

    /** Whether some device got as far as to open the in-flight region. */
    private boolean predecessors;

    private int nextRequest;
    private long storesLeft = Long.MAX_VALUE;
    private long stores;

    MortalDevice(boolean packed, int size, long features, long seed) {
        random = new Random(seed);
        inOrder = VirtioFeatures.has(features, VirtioFeatures.IN_ORDER);
        sides = new TwoSides(packed, size, features);
        region = Mapping.anonymous(InflightLayout.regionBytes(packed, size));
        staleBase = TwoSides.firstBase(packed);
        buffers = sides.buffer(1 << 16);
        requestOf = new int[size];
        tables = new long[size];
        for (int i = 0; i < size; i++) {
            tables[i] = sides.buffer(16L * size);
        }
        sides.device = null;
    }

    int random(int bound) {
        return random.nextInt(bound);
    }

    /** The device dies before its store number {@code left}, counted from here. */
    void dieBeforeStore(long left) {
        storesLeft = left;
        stores = 0;
    }

    /** How many stores the device made since {@link #dieBeforeStore}. */
    long stores() {
        return stores;
    }

    /** Lets both sides act at random until the device has died or {@code operations} are done. */
    void run(int operations) {
        for (int i = 0; i < operations; i++) {
            driverActs();
            if (!alive(this::deviceActs)) {
                die();
                return;
            }
        }
    }

    /** The device lives on; everything must come to its end. */
    void finish() {
        storesLeft = Long.MAX_VALUE;
        sides.driver.publishAvailable();
        makePending();
        for (int i = 0; i < 4 * sides.driver.size() + 4 && !pending.isEmpty(); i++) {
            collect();
            alive(() -> {
                start();
                while (pop()) {}
                while (!held.isEmpty()) {
                    putOne();
                }
                sides.device.publishUsed();
            });
        }
        collect();
        assertEquals(List.of(), pending, "requests that were never answered");
        assertEquals(sides.driver.size(), sides.driver.free());
    }

    private boolean alive(Runnable actions) {
        Memory.watchStores(this::countDown);
        try {
            actions.run();
            return true;
        } catch (Death e) {
            return false;
        } finally {
            Memory.watchStores(null);
        }
    }

    private void countDown(long address, long lengthBytes) {
        if (storesLeft == 0) {
            throw new Death();
        }
        storesLeft--;
        stores++;
    }

    private void die() {
        storesLeft = Long.MAX_VALUE;
        sides.device = null;
        held.clear();
        // The driver notices the death, or does not, before the successor comes.
        if (random.nextBoolean()) {
            collect();
        }
        if (random.nextBoolean()) {
            driverActs();
        }
    }

    /** The successor begins: what is pending now is what it must be given. */
    private void start() {
        if (sides.device == null) {
            sides.device = DeviceQueue.create(
                    sides.config(staleBase, region.address(), InflightLayout.regionBytes(sides.packed(), size())));
            assertEquals(predecessors, sides.device.mayOweCall());
            predecessors = true;
            // What the driver sees used by now was used by a predecessor.
            Memory.watchStores(null);
            collect();
            Memory.watchStores(this::countDown);
            expected.clear();
            expected.addAll(pending);
        }
    }

    private int size() {
        return sides.driver.size();
    }

    private void deviceActs() {
        start();
        int action = random.nextInt(10);
        if (action < 5) {
            pop();
        } else if (action < 8) {
            putOne();
        } else if (action == 8) {
            sides.device.publishUsed();
        } else if (random.nextBoolean()) {
            sides.device.suppressKicks();
        } else {
            sides.device.armKicks();
        }
    }

    private boolean pop() {
        DescriptorChain chain = new DescriptorChain(1);
        if (!sides.device.pop(chain)) {
            assertNull(sides.device.brokenReason());
            return false;
        }
        int request = (int) ((chain.addresses[0] - sides.guest.host(buffers)) / BUFFER_BYTES);
        assertTrue(!expected.isEmpty(), "request " + request + " was popped, but none is pending");
        int wanted = expected.removeFirst();
        assertEquals(wanted % (1 << 11), request, "the oldest pending request comes first");
        assertEquals(wanted, requestOf[chain.id]);
        assertEquals((long) writable.get(wanted), chain.writableBytes);
        held.add(chain);
        return true;
    }

    private void putOne() {
        if (!held.isEmpty()) {
            DescriptorChain chain = held.remove(inOrder ? 0 : random.nextInt(held.size()));
            long length = random.nextInt(4) == 0 ? 0 : chain.writableBytes;
            putLength.set(requestOf[chain.id], length);
            sides.device.putUsed(chain, length);
        }
    }

    private void driverActs() {
        for (int i = random.nextInt(3); i > 0; i--) {
            add();
        }
        if (random.nextBoolean()) {
            sides.driver.publishAvailable();
            makePending();
        }
        if (random.nextInt(3) == 0) {
            collect();
        }
    }

    private void makePending() {
        pending.addAll(added);
        expected.addAll(added);
        added.clear();
    }

    private void add() {
        int count = 1 + random.nextInt(Math.min(3, size()));
        int readable = random.nextInt(count + 1);
        long[] addresses = new long[count];
        int[] lengths = new int[count];
        int request = nextRequest;
        long at = buffers + (long) (request % (1 << 11)) * BUFFER_BYTES;
        long writableBytes = 0;
        for (int i = 0; i < count; i++) {
            addresses[i] = at + i;
            lengths[i] = 1 + random.nextInt(8);
            writableBytes += i < readable ? 0 : lengths[i];
        }
        int table = request % size();
        boolean indirect = random.nextInt(3) == 0 && isTableFree(table);
        int id = indirect
                ? sides.driver.addIndirect(
                        sides.guest.host(tables[table]),
                        tables[table],
                        addresses,
                        lengths,
                        0,
                        readable,
                        count - readable)
                : sides.driver.add(addresses, lengths, 0, readable, count - readable);
        if (id >= 0) {
            requestOf[id] = request;
            putLength.add(-1L);
            writable.add(writableBytes);
            added.add(request);
            nextRequest++;
        }
    }

    /** A table may be written again once no request that could use it is out. */
    private boolean isTableFree(int table) {
        return pending.stream().noneMatch(each -> each % size() == table)
                && added.stream().noneMatch(each -> each % size() == table);
    }

    private void collect() {
        for (int id = sides.driver.popUsed(); id >= 0; id = sides.driver.popUsed()) {
            int request = requestOf[id];
            assertTrue(pending.remove(Integer.valueOf(request)), "request " + request + " was answered twice");
            assertTrue(putLength.get(request) >= 0, "request " + request + " was answered by no device");
            assertEquals((long) putLength.get(request), sides.driver.usedLength());
        }
        assertNull(sides.driver.brokenReason());
    }

    @Override
    public void close() {
        region.close();
        sides.close();
    }
}
