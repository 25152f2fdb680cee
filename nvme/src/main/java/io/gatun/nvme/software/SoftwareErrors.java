package io.gatun.nvme.software;

import java.nio.ByteBuffer;

/**
 * The errors that a software controller has had: its Error Information log, newest first (Base figure 206), and what
 * its health log counts of them.
 *
 * <p><b>Thread-safety:</b> any thread.
 */
final class SoftwareErrors {
    /** Entries in the log, ELPE and one. */
    static final int KEPT = 8;

    private static final int ENTRY_BYTES = 64;

    private final ByteBuffer log = SoftwareIdentity.empty();
    private long count;

    /** Notes that a command failed with {@code status}, at block {@code lba}. */
    synchronized void note(int queue, int identifier, int status, long lba, int namespace) {
        log.put(ENTRY_BYTES, log, 0, (KEPT - 1) * ENTRY_BYTES);
        log.put(0, new byte[ENTRY_BYTES]);
        count++;
        log.putLong(0, count);
        log.putShort(8, (short) queue);
        log.putShort(10, (short) identifier);
        log.putShort(12, (short) (status << 1));
        log.putLong(16, lba);
        log.putInt(24, namespace);
    }

    synchronized void copyTo(ByteBuffer target) {
        target.put(0, log, 0, KEPT * ENTRY_BYTES);
    }

    synchronized long count() {
        return count;
    }
}
