package io.gatun.nvme;

import io.gatun.vfio.DmaSpace;

/**
 * How a controller is reached: registers, memory that both sides see, interrupts. A PCI function is the real one.
 *
 * <p>Register offsets are those of the controller's properties (Base §3.1.3; memory BAR 0 of a PCI function). A
 * function that is gone reads as all ones and ignores what is written; no access throws.
 *
 * <p><b>Thread-safety:</b> registers may be accessed from any thread; each doorbell belongs to the thread of its queue.
 * {@link #enableVector} and {@link #disableVector} are for the thread of the vector's queue. Everything else is for one
 * thread at a time.
 */
public interface NvmeTransport extends AutoCloseable {
    /** What messages call the controller, such as its PCI address {@code 0000:00:04.0}. */
    String name();

    /** How many bytes of registers can be reached: offsets up to this less the width of the access. */
    int registerBytes();

    /** Reads 32 bits; {@code offset} is a multiple of 4. Not reordered with other accesses to registers. */
    int readInt(int offset);

    /** Reads 64 bits, at once or the low half first; {@code offset} is a multiple of 8. */
    long readLong(int offset);

    /**
     * Writes 32 bits. What this thread stored to memory before is visible to the controller when it sees the write.
     */
    void writeInt(int offset, int value);

    /** Writes 64 bits, at once or the low half first, ordered as {@link #writeInt}. */
    void writeLong(int offset, long value);

    /** The memory that the controller reaches; the transport's owner closes it with the transport. */
    DmaSpace memory();

    /**
     * Whether the controller may access memory: the bus master bit of a PCI function. Off, it reaches nothing, whatever
     * it was told before.
     */
    void setBusMaster(boolean enabled);

    /**
     * Resets the function by other means than its registers (a function level reset), for a controller that does not
     * answer to them.
     *
     * @return whether there was such a reset and it was carried out
     */
    boolean resetFunction();

    /**
     * Whether the controller is there: looks further than registers that read as all ones, and opens the function anew
     * if it had gone and has come back. Memory stays mapped at the same addresses.
     */
    boolean probe();

    /** How many interrupt vectors there are, numbered from 0; 0 if the controller can only be polled. */
    int vectorCount();

    /** The eventfd of a vector, readable after an interrupt; constant while the transport is open. */
    int vectorFd(int vector);

    /** Lets a vector's interrupts reach its eventfd; returns 0 or {@code -errno}. Does not allocate. */
    int enableVector(int vector);

    /** Keeps a vector's interrupts from its eventfd: completions are polled for. Returns 0 or {@code -errno}. */
    int disableVector(int vector);

    /** Gives the function back; its memory is not accessed any more. */
    @Override
    void close();
}
