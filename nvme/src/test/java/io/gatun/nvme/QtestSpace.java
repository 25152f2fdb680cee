package io.gatun.nvme;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.testkit.QtestMachine;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaRegion;
import io.gatun.vfio.DmaSpace;
import java.util.BitSet;
import java.util.Map;
import java.util.WeakHashMap;

/**
 * The memory of a {@link QtestMachine}, mapped into this process: a controller's address is an offset in the file.
 * Memory from elsewhere cannot be reached.
 */
final class QtestSpace extends DmaSpace {
    /** Below 1 MiB a PC has other things than memory. */
    private static final long FIRST_FREE = 1 << 20;

    /** Pages that are in use, for all who share the memory of a machine. */
    private static final Map<QtestMachine, BitSet> TAKEN = new WeakHashMap<>();

    private final Mapping ram;
    private final BitSet taken;

    QtestSpace(QtestMachine machine) {
        synchronized (TAKEN) {
            taken = TAKEN.computeIfAbsent(machine, _ -> new BitSet());
        }
        try (MemoryFile file = MemoryFile.open(machine.memory().toString())) {
            ram = file.map();
        }
    }

    @Override
    public DmaBuffer allocate(long lengthBytes) {
        int pages = (int) ((lengthBytes + PAGE_BYTES - 1) / PAGE_BYTES);
        int first = take(pages);
        long address = ram.address() + FIRST_FREE + first * PAGE_BYTES;
        Memory.fill(address, pages * PAGE_BYTES, (byte) 0);
        map(address, pages * PAGE_BYTES);
        return new DmaBuffer(address, pages * PAGE_BYTES, () -> {
            unmap(address);
            free(first, pages);
        });
    }

    private int take(int pages) {
        synchronized (taken) {
            int first = firstFree(pages);
            taken.set(first, first + pages);
            return first;
        }
    }

    private void free(int first, int pages) {
        synchronized (taken) {
            taken.clear(first, first + pages);
        }
    }

    private int firstFree(int pages) {
        int all = (int) ((ram.lengthBytes() - FIRST_FREE) / PAGE_BYTES);
        int first = taken.nextClearBit(0);
        while (true) {
            int end = taken.nextSetBit(first);
            if ((end < 0 ? all : end) - first >= pages) {
                return first;
            }
            if (end < 0) {
                throw new IllegalStateException("no " + pages + " pages are left; give the machine more memory");
            }
            first = taken.nextClearBit(end);
        }
    }

    @Override
    protected DmaRegion attach(long address, long lengthBytes) {
        long offset = address - ram.address();
        if (offset < 0 || offset + lengthBytes > ram.lengthBytes()) {
            throw new IllegalArgumentException("not the memory of the qtest machine");
        }
        return DmaRegion.linear(address, lengthBytes, offset);
    }

    @Override
    protected void detach(DmaRegion region) {}

    @Override
    protected void release() {
        ram.close();
    }

    @Override
    public String toString() {
        return "the memory of a qtest machine";
    }
}
