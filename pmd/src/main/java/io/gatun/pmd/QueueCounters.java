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

    /** The class of every length up to the last bound, so that no length needs a comparison. */
    private static final byte[] CLASS_OF = new byte[SIZE_BOUNDS[SIZE_BOUNDS.length - 1] + 1];

    static {
        for (int length = 0, sizeClass = 0; length < CLASS_OF.length; length++) {
            if (length > SIZE_BOUNDS[sizeClass]) {
                sizeClass++;
            }
            CLASS_OF[length] = (byte) sizeClass;
        }
    }

    private static final int PACKETS = 0;
    private static final int BYTES = 1;
    private static final int SEGMENTED = 2;
    private static final int FIRST_SIZE = 3;
    private static final int FIRST_DROP = FIRST_SIZE + SIZE_BOUNDS.length + 1;
    private static final int COUNT = FIRST_DROP + Drop.values().length;

    private final long[] values = new long[COUNT];

    /** Packets of the burst being counted, by size class. */
    private final int[] sizes = new int[SIZE_BOUNDS.length + 1];

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
        long bytes = 0;
        int segmented = 0;
        int[] lengths = burst.lengths;
        long[] offloads = burst.offloads;
        for (int i = 0; i < count; i++) {
            int packet = which[i];
            int length = lengths[packet];
            bytes += length;
            sizes[length < CLASS_OF.length ? CLASS_OF[length] : SIZE_BOUNDS.length]++;
            if (offloads[packet] != 0 && NetHeader.gsoType(offloads[packet]) != NetHeader.GSO_NONE) {
                segmented++;
            }
        }
        add(PACKETS, count);
        add(BYTES, bytes);
        if (segmented != 0) {
            add(SEGMENTED, segmented);
        }
        for (int i = 0; i < sizes.length; i++) {
            if (sizes[i] != 0) {
                add(FIRST_SIZE + i, sizes[i]);
                sizes[i] = 0;
            }
        }
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
