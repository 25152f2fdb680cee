package io.gatun.nvme;

import java.util.ArrayList;
import java.util.List;

/**
 * An entry of the Error Information log (Base figure 206).
 *
 * @param errorCount a number that identifies the error, counted from 1 over the controller's life
 * @param queueId the submission queue of the command; 0xffff where the error is not of one
 * @param commandId the command's identifier; 0xffff likewise
 * @param status the command's status, see {@link NvmeStatus}
 * @param lba the first block with the error
 * @param namespaceId whose block
 */
public record ErrorLogEntry(long errorCount, int queueId, int commandId, int status, long lba, int namespaceId) {
    static final int BYTES = 64;

    static List<ErrorLogEntry> parse(byte[] log) {
        List<ErrorLogEntry> entries = new ArrayList<>();
        for (int at = 0; at + BYTES <= log.length; at += BYTES) {
            long count = Fields.i64(log, at);
            if (count != 0) {
                entries.add(new ErrorLogEntry(
                        count,
                        Fields.u16(log, at + 8),
                        Fields.u16(log, at + 10),
                        Fields.u16(log, at + 12) >>> 1,
                        Fields.i64(log, at + 16),
                        Fields.i32(log, at + 24)));
            }
        }
        return entries;
    }
}
