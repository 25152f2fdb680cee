package io.gatun.pmd.user;

import io.gatun.linux.Memory;
import io.gatun.vhostuser.SharedMemory;

/**
 * Buffers of one length, side by side in memory that the back-end sees: one for each id of a ring.
 *
 * @param host address of the first one here
 * @param guest address of the first one for the back-end
 * @param lengthBytes of each
 */
record Buffers(long host, long guest, int lengthBytes) {
    /** What most packets fit into, header included. */
    static final int USUAL_BYTES = 2048;

    private static final int ALIGNMENT = 4096;

    static Buffers allocate(SharedMemory memory, int count, int lengthBytes) {
        long host = memory.allocate(bytes(count, lengthBytes), ALIGNMENT);
        // Every page exists before the first packet.
        Memory.fill(host, bytes(count, lengthBytes), (byte) 0);
        return new Buffers(host, memory.toGuest(host), lengthBytes);
    }

    /** Memory to reserve for so many. */
    static long bytes(int count, int lengthBytes) {
        return (long) count * lengthBytes;
    }

    long host(int id) {
        return host + (long) id * lengthBytes;
    }

    long guest(int id) {
        return guest + (long) id * lengthBytes;
    }
}
