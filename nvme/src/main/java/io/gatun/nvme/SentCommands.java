package io.gatun.nvme;

import io.gatun.linux.Memory;
import io.gatun.nvme.spec.Opcode;

/**
 * What the commands of an I/O queue are, by identifier, for those that fail.
 *
 * <p><b>Thread-safety:</b> the queue's thread.
 */
final class SentCommands {
    private final int queue;
    private final DataPointer pointer;

    /** Opcode (8 bits from 0 on), number of blocks less 1 (16 from 8 on), namespace (32 from 32 on). */
    private final long[] what;

    private final long[] lba;

    SentCommands(int queue, int depth, DataPointer pointer) {
        this.queue = queue;
        this.pointer = pointer;
        what = new long[depth];
        lba = new long[depth];
    }

    /** A command is sent, with CDW10 and CDW11, and CDW12. */
    void put(int identifier, int opcode, int namespace, long word10, long word12) {
        what[identifier] = opcode | (word12 & 0xffff) << 8 | (long) namespace << 32;
        lba[identifier] = word10;
    }

    /** Notes that a command, whose identifier is not yet given back, was completed with an error. */
    void noteError(HostErrorLog errors, int identifier, int status) {
        long sent = what[identifier];
        int opcode = (int) sent & 0xff;
        long first = lba[identifier];
        long blocks = (sent >>> 8 & 0xffff) + 1;
        if (opcode == Opcode.FLUSH) {
            first = 0;
            blocks = 0;
        } else if (opcode == Opcode.DATASET_MANAGEMENT) {
            long range = pointer.listAddress(identifier);
            first = Memory.getLong(range + 8);
            blocks = Memory.getLong(range) >>> 32;
        }
        errors.note(queue, identifier, opcode, status, (int) (sent >>> 32), first, blocks);
    }
}
