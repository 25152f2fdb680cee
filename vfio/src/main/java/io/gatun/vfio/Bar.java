package io.gatun.vfio;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;

/**
 * The registers of a function behind one base address register, mapped here.
 *
 * <p>Accesses are 32 or 64 bits wide, aligned, neither merged nor left out, and ordered: what was stored to memory
 * before a write is there when the device learns of the write, and what is loaded from memory after a read was there
 * when the device answered.
 *
 * <p>A function that has gone reads as all ones, on the bus and here; where the kernel has taken the mapping away
 * (VFIO, memory disabled), which is a fault, too. A write to it goes nowhere. That costs each access one short call of
 * native code, beside some hundred nanoseconds on the bus.
 *
 * <p><b>Thread-safety:</b> any thread; what must not overlap (two writers of one doorbell) is the driver's to keep
 * apart.
 */
public final class Bar implements AutoCloseable {
    private final Mapping mapping;
    private final long base;
    private final long lengthBytes;

    Bar(Mapping mapping) {
        this.mapping = mapping;
        this.base = mapping.address();
        this.lengthBytes = mapping.lengthBytes();
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    /** Reads 32 bits; -1 where the function has gone. */
    public int readInt(int offset) {
        assert isInside(offset, 4);
        try {
            int value = Memory.getInt(base + offset);
            Memory.settle();
            Memory.acquireFence();
            return value;
        } catch (InternalError gone) {
            return -1;
        }
    }

    /** Reads 64 bits in one access; -1 where the function has gone. */
    public long readLong(int offset) {
        assert isInside(offset, 8);
        try {
            long value = Memory.getLong(base + offset);
            Memory.settle();
            Memory.acquireFence();
            return value;
        } catch (InternalError gone) {
            return -1;
        }
    }

    /** Writes 32 bits, after everything that was stored before. */
    @SuppressWarnings("EmptyCatch")
    public void writeInt(int offset, int value) {
        assert isInside(offset, 4);
        try {
            Memory.fullFence();
            Memory.putInt(base + offset, value);
            Memory.settle();
        } catch (InternalError gone) {
            // As on the bus: the next read tells.
        }
    }

    /** Writes 64 bits in one access, after everything that was stored before. */
    @SuppressWarnings("EmptyCatch")
    public void writeLong(int offset, long value) {
        assert isInside(offset, 8);
        try {
            Memory.fullFence();
            Memory.putLong(base + offset, value);
            Memory.settle();
        } catch (InternalError gone) {
            // As on the bus: the next read tells.
        }
    }

    /**
     * Lets go of the function, for one that has gone or is wanted back: all bits read as ones from then on, and writes
     * go nowhere. Other threads may go on accessing it meanwhile, until it is closed.
     */
    public void detach() {
        try (MemoryFile ones = MemoryFile.create("gone", lengthBytes)) {
            try (Mapping all = ones.map()) {
                Memory.fill(all.address(), lengthBytes, (byte) -1);
            }
            mapping.replace(ones.fd());
        }
    }

    private boolean isInside(int offset, int bytes) {
        assert offset >= 0 && offset <= lengthBytes - bytes && (offset & bytes - 1) == 0
                : bytes + " bytes at offset " + offset + " of a BAR of " + lengthBytes;
        return true;
    }

    @Override
    public void close() {
        mapping.close();
    }

    @Override
    public String toString() {
        return String.format("BAR of 0x%x bytes", lengthBytes);
    }
}
