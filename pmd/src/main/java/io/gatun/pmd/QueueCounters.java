package io.gatun.pmd;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * What one queue of a port has carried since the port was made.
 *
 * <p><b>Thread-safety:</b> written by the queue's owner with plain arithmetic and opaque stores, once per burst; read
 * by any thread, which sees each counter as it was a moment ago.
 */
@SuppressWarnings("EnumOrdinal") // an index into an array of this process, never stored
public final class QueueCounters {
    private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

    /** Upper bounds of the size classes in bytes, without the frame check sequence; the last class has none. */
    private static final int[] SIZE_BOUNDS = {64, 127, 255, 511, 1023, 1518};

    /** The first length of the last class. */
    private static final int BEYOND = SIZE_BOUNDS[SIZE_BOUNDS.length - 1] + 1;

    /**
     * Where packets of a length, or of {@link #BEYOND} and more, are counted in a word of a byte for each class: so
     * that none needs a comparison, or waits for the one before it. In bits.
     */
    private static final byte[] SHIFT_OF = new byte[BEYOND + 1];

    /** How many packets such a word can count. */
    private static final int WORD_COUNTS = 255;

    static {
        for (int length = 0, sizeClass = 0; length <= BEYOND; length++) {
            if (sizeClass < SIZE_BOUNDS.length && length > SIZE_BOUNDS[sizeClass]) {
                sizeClass++;
            }
            SHIFT_OF[length] = (byte) (sizeClass * Byte.SIZE);
        }
    }

    private static final int PACKETS = 0;
    private static final int BYTES = 1;
    private static final int SEGMENTED = 2;
    private static final int FIRST_SIZE = 3;
    private static final int FIRST_DROP = FIRST_SIZE + SIZE_BOUNDS.length + 1;
    private static final int COUNT = FIRST_DROP + Drop.values().length;

    private final long[] values = new long[COUNT];

    /** All zero. */
    public QueueCounters() {}

    public long packets() {
        return get(PACKETS);
    }

    /** Bytes of packets from the Ethernet header on, without frame check sequence. */
    public long bytes() {
        return get(BYTES);
    }

    /** Packets that were to be segmented by the receiver (GSO): large ones. */
    public long segmented() {
        return get(SEGMENTED);
    }

    /** How many size classes there are; class {@code i} ends with {@link #sizeBound}. */
    public static int sizeClasses() {
        return SIZE_BOUNDS.length + 1;
    }

    /** The largest length in bytes of a class, or {@link Integer#MAX_VALUE} for the last. */
    public static int sizeBound(int sizeClass) {
        return sizeClass < SIZE_BOUNDS.length ? SIZE_BOUNDS[sizeClass] : Integer.MAX_VALUE;
    }

    /** Packets of a size class. */
    public long sized(int sizeClass) {
        return get(FIRST_SIZE + sizeClass);
    }

    public long dropped(Drop cause) {
        return get(FIRST_DROP + cause.ordinal());
    }

    /** Packets dropped for any cause. */
    public long dropped() {
        long sum = 0;
        for (int i = FIRST_DROP; i < COUNT; i++) {
            sum += get(i);
        }
        return sum;
    }

    /** Counts the first {@code count} packets that {@code which} names. Owner only. */
    public void count(Burst burst, int[] which, int count) {
        for (int from = 0; from < count; from += WORD_COUNTS) {
            count(burst, which, from, Math.min(count, from + WORD_COUNTS));
        }
    }

    private void count(Burst burst, int[] which, int from, int to) {
        long bytes = 0;
        long sizes = 0;
        long asked = 0;
        int[] lengths = burst.lengths;
        long[] offloads = burst.offloads;
        for (int i = from; i < to; i++) {
            int packet = which[i];
            int length = lengths[packet];
            bytes += length;
            sizes += 1L << SHIFT_OF[Math.min(length, BEYOND)];
            asked |= offloads[packet];
        }
        add(PACKETS, to - from);
        add(BYTES, bytes);
        for (int at = FIRST_SIZE; sizes != 0; at++) {
            add(at, sizes & 0xff);
            sizes >>>= Byte.SIZE;
        }
        if (asked != 0) {
            countSegmented(offloads, which, from, to);
        }
    }

    private void countSegmented(long[] offloads, int[] which, int from, int to) {
        int segmented = 0;
        for (int i = from; i < to; i++) {
            if (NetHeader.gsoType(offloads[which[i]]) != NetHeader.GSO_NONE) {
                segmented++;
            }
        }
        add(SEGMENTED, segmented);
    }

    /** Counts packets that were not delivered. Owner only. */
    public void drop(Drop cause, int packets) {
        add(FIRST_DROP + cause.ordinal(), packets);
    }

    private long get(int index) {
        return (long) ELEMENT.getOpaque(values, index);
    }

    private void add(int index, long amount) {
        ELEMENT.setOpaque(values, index, values[index] + amount);
    }
}
