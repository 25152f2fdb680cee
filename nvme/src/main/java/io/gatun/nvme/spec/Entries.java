package io.gatun.nvme.spec;

/**
 * Queue entries: a command (Base §3.3.3.1) and a completion (Base §3.3.3.2), as 64-bit words and as their fields.
 *
 * <pre>
 * command, 64 bytes                                        completion, 16 bytes
 *  0  opcode 8 | flags 8 | identifier 16 | namespace 32     0  result 32 (DW0) | DW1 32
 *  8  CDW2 | CDW3                                           8  SQ head 16 | SQ identifier 16
 * 16  metadata pointer                                     12  command identifier 16 | phase 1 | status 15
 * 24  PRP 1, or the first half of an SGL descriptor
 * 32  PRP 2, or its second half
 * 40  CDW10 | CDW11
 * 48  CDW12 | CDW13
 * 56  CDW14 | CDW15
 * </pre>
 */
public final class Entries {
    public static final int COMMAND_BYTES = 64;
    public static final int COMMAND_SHIFT = 6;
    public static final int COMPLETION_BYTES = 16;
    public static final int COMPLETION_SHIFT = 4;

    // A command.
    public static final int IDENTIFIER = 2;
    public static final int NAMESPACE = 4;
    public static final int PRP1 = 24;
    public static final int PRP2 = 32;
    public static final int CDW10 = 40;
    public static final int CDW11 = 44;
    public static final int CDW12 = 48;
    public static final int CDW13 = 52;

    /** The flag, in a command's first word, that the data pointer is an SGL (PSDT = 01b). */
    public static final int FLAG_SGL = 1 << 14;

    // A completion.
    public static final int RESULT = 0;
    public static final int SQ_HEAD = 8;
    public static final int SQ_IDENTIFIER = 10;
    public static final int COMPLETED = 12;

    private Entries() {}
}
