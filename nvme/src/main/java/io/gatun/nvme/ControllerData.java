package io.gatun.nvme;

/**
 * What a controller says of itself: Identify Controller (Base figure 275, NVM figure 101).
 *
 * <p><b>Thread-safety:</b> immutable.
 */
public final class ControllerData {
    static final int BYTES = 4096;

    private static final int VENDOR = 0;
    private static final int SERIAL = 4;
    private static final int MODEL = 24;
    private static final int FIRMWARE = 64;
    private static final int MDTS = 77;
    private static final int IDENTIFIER = 78;
    private static final int VERSION = 80;
    private static final int RTD3E = 88;
    private static final int OAES = 92;
    private static final int OACS = 256;
    private static final int AERL = 259;
    private static final int FRMW = 260;
    private static final int LPA = 261;
    private static final int ELPE = 262;
    private static final int NN = 516;
    private static final int ONCS = 520;
    private static final int FNA = 524;
    private static final int VWC = 525;
    private static final int SGLS = 536;
    private static final int SUBNQN = 768;

    private final byte[] data;

    ControllerData(byte[] data) {
        this.data = data;
    }

    /** The whole structure, {@value #BYTES} bytes. */
    public byte[] bytes() {
        return data.clone();
    }

    public int vendorId() {
        return Fields.u16(data, VENDOR);
    }

    public String serialNumber() {
        return Fields.text(data, SERIAL, 20);
    }

    public String modelNumber() {
        return Fields.text(data, MODEL, 40);
    }

    public String firmwareRevision() {
        return Fields.text(data, FIRMWARE, 8);
    }

    /** The subsystem's qualified name; empty where there is none. */
    public String subsystemName() {
        return Fields.text(data, SUBNQN, 256);
    }

    public int controllerId() {
        return Fields.u16(data, IDENTIFIER);
    }

    /** Such as 0x10400 for version 1.4; 0 where the controller is older than the field. */
    public int version() {
        return Fields.i32(data, VERSION);
    }

    /** MDTS: bytes of one command's data at most, or {@link Long#MAX_VALUE}, in pages of {@code minPageBytes}. */
    long maxTransferBytes(long minPageBytes) {
        int shift = Fields.u8(data, MDTS);
        return shift == 0 || shift > 31 ? Long.MAX_VALUE : minPageBytes << shift;
    }

    /** RTD3E: microseconds that a shutdown may take; 0 where the controller does not say. */
    long shutdownMicros() {
        return Fields.u32(data, RTD3E);
    }

    /** How many namespaces there can be: their identifiers are 1 to this, unless it says otherwise. */
    public long namespaceCount() {
        return Fields.u32(data, NN);
    }

    public boolean supportsFormat() {
        return oacs(1);
    }

    public boolean supportsShadowDoorbells() {
        return oacs(8);
    }

    public boolean supportsCompare() {
        return oncs(0);
    }

    public boolean supportsDatasetManagement() {
        return oncs(2);
    }

    public boolean supportsWriteZeroes() {
        return oncs(3);
    }

    public boolean supportsVerify() {
        return oncs(7);
    }

    /** Whether a completed write may be lost with the power until a flush. */
    public boolean hasVolatileWriteCache() {
        return (Fields.u8(data, VWC) & 1) != 0;
    }

    /** Whether a format concerns all namespaces. */
    public boolean formatsAllNamespaces() {
        return (Fields.u8(data, FNA) & 1) != 0;
    }

    /** Whether data may be described by SGLs. */
    public boolean supportsSgl() {
        return sgls() != 0;
    }

    /** Whether the pieces of an SGL must be whole double words. */
    boolean wantsDwordSgl() {
        return sgls() != 1;
    }

    private int sgls() {
        int support = Fields.i32(data, SGLS) & 3;
        return support == 3 ? 0 : support;
    }

    /** Which notices the controller can send (OAES). */
    int optionalEvents() {
        return Fields.i32(data, OAES);
    }

    /** How many asynchronous event requests it takes at a time. */
    int asyncEventLimit() {
        return Fields.u8(data, AERL) + 1;
    }

    /** How many entries the error log has. */
    public int errorLogEntries() {
        return Fields.u8(data, ELPE) + 1;
    }

    /** How many slots for firmware there are. */
    public int firmwareSlots() {
        return Fields.u8(data, FRMW) >>> 1 & 7;
    }

    /** Whether a log page can be read from any offset on. */
    boolean hasLogOffsets() {
        return (Fields.u8(data, LPA) & 4) != 0;
    }

    private boolean oacs(int bit) {
        return (Fields.u16(data, OACS) >>> bit & 1) != 0;
    }

    private boolean oncs(int bit) {
        return (Fields.u16(data, ONCS) >>> bit & 1) != 0;
    }

    @Override
    public String toString() {
        return modelNumber() + " " + serialNumber() + " firmware " + firmwareRevision();
    }
}
