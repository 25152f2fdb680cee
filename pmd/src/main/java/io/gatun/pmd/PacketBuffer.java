package io.gatun.pmd;

/**
 * One buffer of a {@link PacketPool}: a packet, or a part of one that goes on in {@link #next}.
 *
 * <p><b>Thread-safety:</b> belongs to the thread that took it, or to whom that thread passed it safely (a queue).
 */
public final class PacketBuffer {
    final long address;

    /** How many bytes are in this buffer. */
    int used;

    /** Where the packet goes on, or null. */
    PacketBuffer next;

    // Of a packet's first buffer.
    int length;
    long offload;
    int checksumOffset;
    long stamp;

    PacketBuffer(long address) {
        this.address = address;
    }

    /** Host address of the first byte. */
    public long address() {
        return address;
    }

    /** How many bytes there are, at least 1. */
    public int usedBytes() {
        return used;
    }

    /** The buffer in which the packet goes on, or null. */
    public PacketBuffer next() {
        return next;
    }

    /** Bytes of the packet as it was, of which the buffers may hold only the first; for a packet's first buffer. */
    public int packetBytes() {
        return length;
    }

    /** Whatever the owner noted, such as a time; for a packet's first buffer. */
    public long stamp() {
        return stamp;
    }

    /** Notes a number for later. */
    public void setStamp(long value) {
        stamp = value;
    }

    /** Adds the packet to a burst as a view, with its offload words; the burst has room. */
    public void addTo(Burst burst) {
        int i = burst.count;
        burst.add(address, used);
        for (PacketBuffer more = next; more != null; more = more.next) {
            burst.addSegment(more.address, more.used);
        }
        burst.offloads[i] = offload;
        burst.checksumOffsets[i] = checksumOffset;
    }
}
