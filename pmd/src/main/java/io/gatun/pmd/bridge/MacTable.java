package io.gatun.pmd.bridge;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Which port an address was last seen at: two flat arrays, read without locks.
 *
 * <pre>
 * keys[slot]    VLAN (12 bits) | address (48 bits, the first byte on the wire lowest); 0 is a free slot
 * values[slot]  port number (16 bits) | second at which it was last seen (32 bits), as of the last call of age
 * </pre>
 *
 * <p>A key is in one of the {@value #WINDOW} slots from its hash on: at most three cache lines, whatever a sender does.
 * The hash has a secret of this table's, so that nobody can aim at a slot. The table is at most half full.
 *
 * <p><b>Who may learn.</b> Each port has a limit, so that a sender of many addresses evicts nobody: where a limit is
 * reached nothing is learned, and packets to such an address are flooded. Where the whole table's limit is reached, a
 * port may still have its first {@value #RESERVED_PER_PORT}.
 *
 * <p><b>Thread-safety:</b> {@link #lookup} is for any thread and takes no lock. Everything that writes holds one, and a
 * reactor that does not get it within some hundred attempts gives up: the next packet will tell the same. In the steady
 * state nobody writes, as a sighting is written down once after each {@link #age} at most. A slot is only ever filled
 * when free, value before key (release), and freed before it is filled again; a reader finds the key (acquire), reads
 * the value, and looks whether the key is still there. Only if a slot changed hands twice within that look, a packet
 * would take the way of another address of this switch: VLANs are compared with the port again before a packet leaves.
 */
final class MacTable {
    /** What {@link #lookup} says of an address that nobody has seen. */
    static final int UNKNOWN = -1;

    static final int WINDOW = 16;
    static final int RESERVED_PER_PORT = 16;

    private static final int LOCK_ATTEMPTS = 200;
    private static final long MAC_MASK = 0xffff_ffff_ffffL;
    private static final VarHandle LONG = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle INT = MethodHandles.arrayElementVarHandle(int[].class);

    private final long[] keys;
    private final long[] values;
    private final int[] portCounts;
    private final int shift;
    private final int limit;
    private final long secret = ThreadLocalRandom.current().nextLong() | 1;
    private final AtomicBoolean locked = new AtomicBoolean();

    private final AtomicInteger size = new AtomicInteger();
    private final AtomicLong moves = new AtomicLong();
    private final AtomicLong refusals = new AtomicLong();

    /** The second that it is now. */
    private volatile int now;

    /** For {@code limit} addresses, 1 to a million, and port numbers below {@code ports}. */
    MacTable(int limit, int ports) {
        int slots = Integer.highestOneBit(Math.max(WINDOW, 2 * (limit + RESERVED_PER_PORT) - 1)) << 1;
        keys = new long[slots + WINDOW];
        values = new long[slots + WINDOW];
        portCounts = new int[ports];
        shift = Long.numberOfLeadingZeros(slots) + 1;
        this.limit = limit;
    }

    /** The key of an address as it is read from memory, lowest byte first. */
    static long key(long mac, int vlan) {
        return mac | (long) vlan << 48;
    }

    /** The port number where a key was seen, or {@link #UNKNOWN}. */
    int lookup(long key) {
        int slot = find(key);
        if (slot < 0) {
            return UNKNOWN;
        }
        long value = (long) LONG.getAcquire(values, slot);
        return (long) LONG.getOpaque(keys, slot) == key ? portOf(value) : UNKNOWN;
    }

    /** Notes that a key was seen at a port with this limit of addresses. */
    void learn(long key, int port, int portLimit) {
        int slot = find(key);
        if (slot >= 0) {
            long value = (long) LONG.getAcquire(values, slot);
            if (value == value(port, now)) {
                return;
            }
        } else if (isFull(port, portLimit)) {
            refusals.incrementAndGet();
            return;
        }
        if (tryLock()) {
            try {
                learnLocked(key, port, portLimit);
            } finally {
                locked.set(false);
            }
        }
    }

    private void learnLocked(long key, int port, int portLimit) {
        int slot = find(key);
        if (slot >= 0) {
            int before = portOf(values[slot]);
            if (before != port) {
                if (isFull(port, portLimit)) {
                    refusals.incrementAndGet();
                    return;
                }
                moves.incrementAndGet();
                count(before, -1);
                count(port, 1);
            }
            LONG.setRelease(values, slot, value(port, now));
            return;
        }
        slot = freeSlot(key);
        if (slot < 0 || isFull(port, portLimit)) {
            refusals.incrementAndGet();
            return;
        }
        LONG.setOpaque(values, slot, value(port, now));
        LONG.setRelease(keys, slot, key);
        count(port, 1);
        size.incrementAndGet();
    }

    /** Sets the time and forgets what was not seen for more than {@code ageSeconds}. */
    void age(int second, int ageSeconds) {
        now = second;
        forget(ageSeconds, -1);
    }

    /** Forgets a port's addresses. */
    void flush(int port) {
        forget(0, port);
    }

    private void forget(int ageSeconds, int port) {
        for (int slot = 0; slot < keys.length; slot++) {
            if ((long) LONG.getOpaque(keys, slot) == 0 || !isOver(slot, ageSeconds, port)) {
                continue;
            }
            lock();
            try {
                if (keys[slot] != 0 && isOver(slot, ageSeconds, port)) {
                    LONG.setRelease(keys, slot, 0L);
                    count(portOf(values[slot]), -1);
                    size.decrementAndGet();
                }
            } finally {
                locked.set(false);
            }
        }
    }

    private boolean isOver(int slot, int ageSeconds, int port) {
        long value = (long) LONG.getOpaque(values, slot);
        return port >= 0 ? portOf(value) == port : now - secondOf(value) > ageSeconds;
    }

    /** Addresses of all ports. */
    int size() {
        return size.get();
    }

    /** Addresses of one port. */
    int size(int port) {
        return (int) INT.getOpaque(portCounts, port);
    }

    /** How often an address was seen at another port than before. */
    long moves() {
        return moves.get();
    }

    /** How often an address was not learned because of a limit. */
    long refusals() {
        return refusals.get();
    }

    /** What {@link #forEach} tells. */
    @FunctionalInterface
    interface Visitor {
        void visit(long mac, int vlan, int port, int ageSeconds);
    }

    /** Tells of each entry; of those that come or go meanwhile, or not. The address has its first byte highest. */
    void forEach(Visitor visitor) {
        for (int slot = 0; slot < keys.length; slot++) {
            long key = (long) LONG.getAcquire(keys, slot);
            long value = (long) LONG.getAcquire(values, slot);
            if (key != 0 && (long) LONG.getOpaque(keys, slot) == key) {
                long mac = Long.reverseBytes(key & MAC_MASK) >>> 16;
                visitor.visit(mac, (int) (key >>> 48), portOf(value), now - secondOf(value));
            }
        }
    }

    private boolean isFull(int port, int portLimit) {
        int count = (int) INT.getOpaque(portCounts, port);
        return count >= portLimit || (size.get() >= limit && count >= RESERVED_PER_PORT);
    }

    private int find(long key) {
        int slot = slotOf(key);
        for (int end = slot + WINDOW; slot < end; slot++) {
            if ((long) LONG.getAcquire(keys, slot) == key) {
                return slot;
            }
        }
        return -1;
    }

    private int freeSlot(long key) {
        int slot = slotOf(key);
        for (int end = slot + WINDOW; slot < end; slot++) {
            if (keys[slot] == 0) {
                return slot;
            }
        }
        return -1;
    }

    private int slotOf(long key) {
        long hash = (key ^ (key >>> 29)) * secret;
        return (int) (((hash ^ (hash >>> 32)) * 0x9e3779b97f4a7c15L) >>> shift);
    }

    private void count(int port, int difference) {
        INT.setOpaque(portCounts, port, portCounts[port] + difference);
    }

    private static long value(int port, int second) {
        return (long) port << 32 | (second & 0xffff_ffffL);
    }

    private static int portOf(long value) {
        return (int) (value >>> 32);
    }

    private static int secondOf(long value) {
        return (int) value;
    }

    private boolean tryLock() {
        for (int i = 0; i < LOCK_ATTEMPTS; i++) {
            if (locked.compareAndSet(false, true)) {
                return true;
            }
            Thread.onSpinWait();
        }
        return false;
    }

    private void lock() {
        while (!tryLock()) {
            Thread.onSpinWait();
        }
    }
}
