package io.gatun.nvme.spec;

/**
 * The controller's properties (Base §3.1.3) and doorbells (PCIe §3.1.2): offsets and fields.
 *
 * <pre>
 * 0x00 CAP  64  what the controller can     0x1c CSTS 32  status
 * 0x08 VS   32  version                     0x24 AQA  32  sizes of the admin queues, 0-based
 * 0x14 CC   32  configuration               0x28 ASQ  64  admin submission queue
 * 0x68 CRTO 32  time-outs, where CAP.CRMS   0x30 ACQ  64  admin completion queue
 * 0x1000 + (2y + 0) * (4 &lt;&lt; CAP.DSTRD)   tail doorbell of submission queue y
 * 0x1000 + (2y + 1) * (4 &lt;&lt; CAP.DSTRD)   head doorbell of completion queue y
 * </pre>
 */
public final class Registers {
    public static final int CAP = 0x00;
    public static final int VS = 0x08;
    public static final int CC = 0x14;
    public static final int CSTS = 0x1c;
    public static final int AQA = 0x24;
    public static final int ASQ = 0x28;
    public static final int ACQ = 0x30;
    public static final int CRTO = 0x68;
    public static final int DOORBELLS = 0x1000;

    // CC (Base figure 46).
    public static final int CC_EN = 1;
    public static final int CC_CSS_ALL = 6 << 4;
    public static final int CC_SHN_NORMAL = 1 << 14;
    public static final int CC_SHN_MASK = 3 << 14;
    public static final int CC_IOSQES_SHIFT = 16;
    public static final int CC_IOCQES_SHIFT = 20;

    // CSTS (Base figure 47).
    public static final int CSTS_RDY = 1;
    public static final int CSTS_CFS = 1 << 1;
    public static final int CSTS_SHST_MASK = 3 << 2;
    public static final int CSTS_SHST_COMPLETE = 2 << 2;

    /** What every register reads as once the function is gone. CSTS has reserved bits that are 0 otherwise. */
    public static final int ALL_ONES = -1;

    private static final long TIMEOUT_UNIT_MILLIS = 500;

    private Registers() {}

    /** CAP.MQES: entries of a queue at most. */
    public static int maxQueueEntries(long cap) {
        return (int) (cap & 0xffff) + 1;
    }

    /** CAP.TO in milliseconds: how long a change of CSTS.RDY takes at most. */
    public static long timeoutMillis(long cap) {
        return Math.max(1, cap >>> 24 & 0xff) * TIMEOUT_UNIT_MILLIS;
    }

    /** Bytes from one doorbell to the next, and from one shadow doorbell to the next. */
    public static int doorbellStride(long cap) {
        return 4 << (cap >>> 32 & 0xf);
    }

    /** CAP.CSS: whether the NVM command set alone can be selected. */
    public static boolean hasNvmCommandSet(long cap) {
        return (cap >>> 37 & 1) != 0;
    }

    /** CAP.CSS: whether all supported command sets can be selected, of which NVM is one. */
    public static boolean hasCommandSets(long cap) {
        return (cap >>> 43 & 1) != 0;
    }

    /** CAP.MPSMIN in bytes. */
    public static long minPageBytes(long cap) {
        return 1L << (12 + (cap >>> 48 & 0xf));
    }

    /** CAP.CRMS: whether CRTO is there, with the time until the media are ready. */
    public static boolean hasReadyTimeouts(long cap) {
        return (cap >>> 59 & 1) != 0;
    }

    /** CRTO.CRWMT in milliseconds. */
    public static long readyTimeoutMillis(int crto) {
        return (crto & 0xffffL) * TIMEOUT_UNIT_MILLIS;
    }

    public static int tailDoorbell(int queue, int stride) {
        return DOORBELLS + 2 * queue * stride;
    }

    public static int headDoorbell(int queue, int stride) {
        return DOORBELLS + (2 * queue + 1) * stride;
    }
}
