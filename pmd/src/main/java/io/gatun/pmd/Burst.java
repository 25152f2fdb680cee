package io.gatun.pmd;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.Arrays;

/**
 * Up to {@value #CAPACITY} packets as parallel arrays of views: where their bytes lie, not the bytes.
 *
 * <p>Packet {@code i} starts with {@code headLengths[i]} bytes at {@code addresses[i]}; most packets end there. The
 * others go on in {@code moreCounts[i]} segments from index {@code moreFirsts[i]} of the burst's segment table. Fields
 * are public because the hot paths read and fill them for every packet; a port fills a burst, everybody else reads.
 *
 * <p>Views may show memory that a guest is changing at this moment: fetch a field once, decide, and keep what was
 * decided on in a private head ({@link #editHead}) where it matters.
 *
 * <p><b>Thread-safety:</b> the thread of the reactor that uses it.
 */
public final class Burst implements AutoCloseable {
    /** The most packets in a burst. */
    public static final int CAPACITY = 64;

    /** The most bytes that {@link #pull} and {@link #editHead} make contiguous. */
    public static final int MAX_HEAD_BYTES = 192;

    /** How much {@link #growHead} can put in front of a private head. */
    public static final int HEADROOM_BYTES = 64;

    /** Selects the first packets in order, for {@link TxQueue#send(Burst, int[], int)}; nobody writes it. */
    @SuppressWarnings("MutablePublicArray")
    public static final int[] ALL = new int[CAPACITY];

    private static final int SCRATCH_BYTES = HEADROOM_BYTES + MAX_HEAD_BYTES;

    static {
        Arrays.setAll(ALL, i -> i);
    }

    /** How many packets there are. */
    public int count;

    /** Host address of each packet's first byte, the Ethernet header. */
    public final long[] addresses = new long[CAPACITY];

    /** Bytes that are contiguous there, at least 1. */
    public final int[] headLengths = new int[CAPACITY];

    /** Bytes of the whole packet, without frame check sequence. */
    public final int[] lengths = new int[CAPACITY];

    /** How many further segments each packet has. */
    public final int[] moreCounts = new int[CAPACITY];

    /** Where these are in the segment table; meaningless if there are none. */
    public final int[] moreFirsts = new int[CAPACITY];

    /** The offload word of each packet (see {@link NetHeader}); 0 asks for nothing. */
    public final long[] offloads = new long[CAPACITY];

    /** The place of a missing checksum, in bytes from its start; meaningful with {@link NetHeader#F_NEEDS_CSUM}. */
    public final int[] checksumOffsets = new int[CAPACITY];

    /** The segment table: addresses. */
    public long[] segmentAddresses = new long[CAPACITY];

    /** The segment table: lengths, at least 1. */
    public int[] segmentLengths = new int[CAPACITY];

    /** How much of the segment table is used. */
    public int segmentCount;

    private final boolean[] heads = new boolean[CAPACITY];
    private final Mapping scratch = Mapping.anonymous((long) CAPACITY * SCRATCH_BYTES);
    private boolean anyHead;

    /** How many packets {@link #fetchHeads} has read. */
    private int fetchedCount;

    /** What it read: somebody has to take it, or nothing would be read. */
    @SuppressWarnings("UnusedVariable")
    private int fetched;

    /** An empty burst with private memory for heads: make one per queue, at set-up. */
    public Burst() {}

    /** Forgets all packets. */
    public void clear() {
        count = 0;
        segmentCount = 0;
        fetchedCount = 0;
        if (anyHead) {
            Arrays.fill(heads, false);
            anyHead = false;
        }
    }

    /** Adds a packet that is one run of bytes and asks for nothing; the caller knows that there is room. */
    public void add(long address, int lengthBytes) {
        int i = count;
        addresses[i] = address;
        headLengths[i] = lengthBytes;
        lengths[i] = lengthBytes;
        moreCounts[i] = 0;
        offloads[i] = 0;
        count = i + 1;
    }

    /**
     * Adds a packet of another burst with its offload words, as views: private heads stay that burst's, and are good as
     * long as it is not cleared.
     */
    public void addFrom(Burst other, int packet) {
        add(other.addresses[packet], other.headLengths[packet]);
        int first = other.moreFirsts[packet];
        for (int s = first; s < first + other.moreCounts[packet]; s++) {
            addSegment(other.segmentAddresses[s], other.segmentLengths[s]);
        }
        offloads[count - 1] = other.offloads[packet];
        checksumOffsets[count - 1] = other.checksumOffsets[packet];
    }

    /** Adds a segment to the packet that was added last. */
    public void addSegment(long address, int lengthBytes) {
        int i = count - 1;
        if (moreCounts[i] == 0) {
            moreFirsts[i] = segmentCount;
        }
        appendSegment(address, lengthBytes);
        moreCounts[i]++;
        lengths[i] += lengthBytes;
    }

    /**
     * Reads a byte of every packet that it has not read yet, so that the misses of whoever reads them next have
     * overlapped: for packets whose bytes are needed. Costs a nanosecond or two per packet that is in the cache
     * already.
     */
    public void fetchHeads() {
        int sum = 0;
        for (int i = fetchedCount; i < count; i++) {
            sum += Memory.getByte(addresses[i]);
        }
        fetchedCount = count;
        fetched = sum;
    }

    /**
     * The address of the packet's first {@code bytes} bytes, in one run: where they lie if they do, else in a private
     * copy. {@code bytes} is 1 to {@link #MAX_HEAD_BYTES} and at most the packet's length.
     */
    public long pull(int packet, int bytes) {
        return headLengths[packet] >= bytes ? addresses[packet] : editHead(packet, bytes);
    }

    /**
     * Makes the first {@code bytes} bytes a private copy, in one run, and returns its address: it may be written, and
     * nobody else can change it any more. Repeated calls keep what was written.
     */
    public long editHead(int packet, int bytes) {
        assert bytes > 0 && bytes <= MAX_HEAD_BYTES && bytes <= lengths[packet];
        if (heads[packet] && headLengths[packet] >= bytes) {
            return addresses[packet];
        }
        return heads[packet] ? extendHead(packet, bytes) : makeHead(packet, bytes);
    }

    /**
     * Puts {@code bytes} undefined bytes in front of a private head (or takes {@code -bytes} away) and returns the new
     * address. The packet has a private head of more than {@code -bytes} bytes; all growth of a packet together is at
     * most {@link #HEADROOM_BYTES}. Offload fields that count from the packet's start are moved along.
     */
    public long growHead(int packet, int bytes) {
        assert heads[packet] && headLengths[packet] + bytes > 0;
        addresses[packet] -= bytes;
        assert addresses[packet] >= scratchOf(packet);
        headLengths[packet] += bytes;
        lengths[packet] += bytes;
        long offload = offloads[packet];
        if (offload != 0) {
            int headerLength = NetHeader.headerLength(offload);
            offloads[packet] = NetHeader.offload(
                    NetHeader.flags(offload),
                    NetHeader.gsoType(offload),
                    headerLength == 0 ? 0 : Math.clamp(headerLength + bytes, 0, 0xffff),
                    NetHeader.gsoSize(offload),
                    (NetHeader.flags(offload) & NetHeader.F_NEEDS_CSUM) == 0
                            ? 0
                            : NetHeader.checksumStart(offload) + bytes);
        }
        return addresses[packet];
    }

    /** Whether {@link #growHead} may put {@code bytes} more bytes in front of a private head. */
    public boolean canGrow(int packet, int bytes) {
        return addresses[packet] - bytes >= scratchOf(packet);
    }

    /** Copies {@code bytes} bytes of the packet, from {@code from} on, to {@code target}; the packet has them. */
    public void copyOut(int packet, int from, long target, int bytes) {
        int skip = from;
        long to = target;
        int left = bytes;
        int head = headLengths[packet];
        if (skip < head) {
            int run = Math.min(left, head - skip);
            Memory.copy(addresses[packet] + skip, to, run);
            to += run;
            left -= run;
            skip = 0;
        } else {
            skip -= head;
        }
        for (int s = moreFirsts[packet]; left > 0; s++) {
            int length = segmentLengths[s];
            if (skip < length) {
                int run = Math.min(left, length - skip);
                Memory.copy(segmentAddresses[s] + skip, to, run);
                to += run;
                left -= run;
                skip = 0;
            } else {
                skip -= length;
            }
        }
    }

    /** Frees the private memory. */
    @Override
    public void close() {
        scratch.close();
    }

    private long scratchOf(int packet) {
        return scratch.address() + (long) packet * SCRATCH_BYTES;
    }

    private long makeHead(int packet, int bytes) {
        long head = scratchOf(packet) + HEADROOM_BYTES;
        if (bytes == headLengths[packet]) {
            // All of a small packet, usually.
            Memory.copyApart(addresses[packet], head, bytes);
            addresses[packet] = head;
        } else {
            copyOut(packet, 0, head, bytes);
            replaceFront(packet, head, bytes);
        }
        heads[packet] = true;
        anyHead = true;
        return head;
    }

    /** A longer private head: the part that is there is kept, as it may have been written. */
    private long extendHead(int packet, int bytes) {
        long head = addresses[packet];
        int have = headLengths[packet];
        assert head + bytes <= scratchOf(packet) + SCRATCH_BYTES;
        copyOut(packet, have, head + have, bytes - have);
        replaceFront(packet, head, bytes);
        return head;
    }

    /** Lets the first {@code bytes} bytes come from {@code head}, and the rest from where it was. */
    private void replaceFront(int packet, long head, int bytes) {
        int skip = bytes - headLengths[packet];
        if (skip < 0) {
            // The first segment goes on after the head: one more entry, in a table of the packet's own.
            int first = segmentCount;
            appendSegment(addresses[packet] + bytes, -skip);
            for (int i = 0; i < moreCounts[packet]; i++) {
                int s = moreFirsts[packet] + i;
                appendSegment(segmentAddresses[s], segmentLengths[s]);
            }
            moreFirsts[packet] = first;
            moreCounts[packet]++;
        }
        while (skip > 0) {
            int s = moreFirsts[packet];
            int length = segmentLengths[s];
            if (skip < length) {
                segmentAddresses[s] += skip;
                segmentLengths[s] = length - skip;
                break;
            }
            skip -= length;
            moreFirsts[packet] = s + 1;
            moreCounts[packet]--;
        }
        addresses[packet] = head;
        headLengths[packet] = bytes;
    }

    private void appendSegment(long address, int lengthBytes) {
        int at = segmentCount;
        if (at == segmentAddresses.length) {
            segmentAddresses = Arrays.copyOf(segmentAddresses, 2 * at);
            segmentLengths = Arrays.copyOf(segmentLengths, 2 * at);
        }
        segmentAddresses[at] = address;
        segmentLengths[at] = lengthBytes;
        segmentCount = at + 1;
    }
}
