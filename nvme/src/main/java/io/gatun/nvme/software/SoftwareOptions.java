package io.gatun.nvme.software;

/**
 * What kind of controller it is.
 *
 * @param queueEntries CAP.MQES + 1
 * @param ioQueues I/O queue pairs that it grants
 * @param transferShift MDTS: 2^this pages of 4 KiB at most, 0 for no limit
 * @param doorbellStride CAP.DSTRD
 * @param timeoutHalfSeconds CAP.TO
 * @param sgl SGLS: 0 none, 1 any piece, 2 pieces of whole double words
 * @param shadowDoorbells whether it has Doorbell Buffer Config
 * @param version VS, such as 0x20000
 */
public record SoftwareOptions(
        int queueEntries,
        int ioQueues,
        int transferShift,
        int doorbellStride,
        int timeoutHalfSeconds,
        int sgl,
        boolean shadowDoorbells,
        int version) {
    public static final SoftwareOptions DEFAULTS = new SoftwareOptions(1024, 8, 5, 0, 2, 0, false, 0x20000);

    public SoftwareOptions withQueues(int entries, int pairs) {
        return new SoftwareOptions(
                entries, pairs, transferShift, doorbellStride, timeoutHalfSeconds, sgl, shadowDoorbells, version);
    }

    public SoftwareOptions withTransferShift(int shift) {
        return new SoftwareOptions(
                queueEntries, ioQueues, shift, doorbellStride, timeoutHalfSeconds, sgl, shadowDoorbells, version);
    }

    public SoftwareOptions withStride(int stride) {
        return new SoftwareOptions(
                queueEntries, ioQueues, transferShift, stride, timeoutHalfSeconds, sgl, shadowDoorbells, version);
    }

    public SoftwareOptions withSgl(int support) {
        return new SoftwareOptions(
                queueEntries, ioQueues, transferShift, doorbellStride, timeoutHalfSeconds, support, shadowDoorbells,
                version);
    }

    public SoftwareOptions withShadowDoorbells(boolean has) {
        return new SoftwareOptions(
                queueEntries, ioQueues, transferShift, doorbellStride, timeoutHalfSeconds, sgl, has, version);
    }

    public SoftwareOptions withVersion(int number) {
        return new SoftwareOptions(
                queueEntries, ioQueues, transferShift, doorbellStride, timeoutHalfSeconds, sgl, shadowDoorbells,
                number);
    }
}
