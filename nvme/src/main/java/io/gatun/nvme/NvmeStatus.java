package io.gatun.nvme;

import io.gatun.linux.Errno;

/**
 * The status of a completed command (Base §3.3.3.2.1): a code (bits 7:0), its type (10:8), a hint when to retry
 * (12:11), whether the error log has more (13), and whether a retry is pointless (14).
 */
public final class NvmeStatus {
    public static final int SUCCESS = 0;

    // Generic (type 0).
    public static final int INVALID_OPCODE = 0x001;
    public static final int INVALID_FIELD = 0x002;
    public static final int IDENTIFIER_CONFLICT = 0x003;
    public static final int DATA_TRANSFER_ERROR = 0x004;
    public static final int INTERNAL_ERROR = 0x006;
    public static final int ABORT_REQUESTED = 0x007;
    public static final int ABORTED_BY_QUEUE_DELETION = 0x008;
    public static final int INVALID_NAMESPACE_OR_FORMAT = 0x00b;
    public static final int SEQUENCE_ERROR = 0x00c;
    public static final int INVALID_PRP_OFFSET = 0x013;
    public static final int NAMESPACE_WRITE_PROTECTED = 0x020;
    public static final int INTERRUPTED = 0x021;
    public static final int TRANSIENT_TRANSPORT_ERROR = 0x022;
    public static final int LBA_OUT_OF_RANGE = 0x080;
    public static final int CAPACITY_EXCEEDED = 0x081;
    public static final int NAMESPACE_NOT_READY = 0x082;
    public static final int FORMAT_IN_PROGRESS = 0x084;

    // Specific to a command (type 1).
    public static final int COMPLETION_QUEUE_INVALID = 0x100;
    public static final int INVALID_QUEUE_IDENTIFIER = 0x101;
    public static final int INVALID_QUEUE_SIZE = 0x102;
    public static final int ASYNC_EVENT_LIMIT = 0x105;
    public static final int INVALID_VECTOR = 0x108;
    public static final int INVALID_LOG_PAGE = 0x109;
    public static final int INVALID_FORMAT = 0x10a;
    public static final int INVALID_QUEUE_DELETION = 0x10c;
    public static final int WRITE_TO_READ_ONLY = 0x182;

    // Media and data integrity (type 2).
    public static final int WRITE_FAULT = 0x280;
    public static final int UNRECOVERED_READ_ERROR = 0x281;
    public static final int GUARD_CHECK_ERROR = 0x282;
    public static final int APPLICATION_TAG_CHECK_ERROR = 0x283;
    public static final int REFERENCE_TAG_CHECK_ERROR = 0x284;
    public static final int COMPARE_FAILURE = 0x285;

    // Path (type 3). Our own queues report the last one.
    public static final int CONTROLLER_PATH_ERROR = 0x360;
    public static final int HOST_PATH_ERROR = 0x370;
    /** The controller was reset or is gone: whether the command was carried out is not known. */
    public static final int ABORTED_BY_HOST = 0x371;

    private static final int DO_NOT_RETRY = 1 << 14;
    private static final int CODE_AND_TYPE = 0x7ff;

    private NvmeStatus() {}

    /** Type and code alone, to be compared with the constants. */
    public static int code(int status) {
        return status & CODE_AND_TYPE;
    }

    /** Whether the same command may succeed if it is sent again. */
    public static boolean isRetryable(int status) {
        if ((status & DO_NOT_RETRY) != 0) {
            return false;
        }
        return switch (status & CODE_AND_TYPE) {
            case ABORT_REQUESTED,
                    ABORTED_BY_QUEUE_DELETION,
                    INTERRUPTED,
                    TRANSIENT_TRANSPORT_ERROR,
                    NAMESPACE_NOT_READY,
                    FORMAT_IN_PROGRESS,
                    CONTROLLER_PATH_ERROR,
                    HOST_PATH_ERROR,
                    ABORTED_BY_HOST -> true;
            default -> false;
        };
    }

    /** Whether a medium failed, or its data's integrity: what a drive's health log counts as media errors. */
    public static boolean isMediaError(int status) {
        int code = status & CODE_AND_TYPE;
        return code >= WRITE_FAULT && code <= REFERENCE_TAG_CHECK_ERROR;
    }

    /** What a block device reports for it: 0 or {@code -errno}. */
    public static int toErrno(int status) {
        return switch (status & CODE_AND_TYPE) {
            case SUCCESS -> 0;
            case INVALID_OPCODE -> -Errno.EOPNOTSUPP;
            case NAMESPACE_WRITE_PROTECTED, WRITE_TO_READ_ONLY -> -Errno.EROFS;
            case CAPACITY_EXCEEDED -> -Errno.ENOSPC;
            default -> -Errno.EIO;
        };
    }

    /** Type and code in words and numbers, such as {@code unrecovered read error (2/81h)}. */
    public static String describe(int status) {
        String words = words(status);
        return String.format("%s (%x/%02xh)", words.isEmpty() ? "status" : words, status >>> 8 & 7, status & 0xff);
    }

    /** Type and code in words; empty where there are none here. */
    public static String words(int status) {
        return switch (status & CODE_AND_TYPE) {
            case SUCCESS -> "success";
            case INVALID_OPCODE -> "invalid opcode";
            case INVALID_FIELD -> "invalid field";
            case IDENTIFIER_CONFLICT -> "command identifier conflict";
            case DATA_TRANSFER_ERROR -> "data transfer error";
            case INTERNAL_ERROR -> "internal error";
            case ABORT_REQUESTED -> "aborted by request";
            case ABORTED_BY_QUEUE_DELETION -> "aborted by queue deletion";
            case INVALID_NAMESPACE_OR_FORMAT -> "invalid namespace or format";
            case SEQUENCE_ERROR -> "command sequence error";
            case INVALID_PRP_OFFSET -> "invalid PRP offset";
            case NAMESPACE_WRITE_PROTECTED -> "namespace is write protected";
            case INTERRUPTED -> "command interrupted";
            case TRANSIENT_TRANSPORT_ERROR -> "transient transport error";
            case LBA_OUT_OF_RANGE -> "LBA out of range";
            case CAPACITY_EXCEEDED -> "capacity exceeded";
            case NAMESPACE_NOT_READY -> "namespace not ready";
            case FORMAT_IN_PROGRESS -> "format in progress";
            case COMPLETION_QUEUE_INVALID -> "invalid completion queue";
            case INVALID_QUEUE_IDENTIFIER -> "invalid queue identifier";
            case INVALID_QUEUE_SIZE -> "invalid queue size";
            case ASYNC_EVENT_LIMIT -> "too many asynchronous event requests";
            case INVALID_VECTOR -> "invalid interrupt vector";
            case INVALID_LOG_PAGE -> "invalid log page";
            case INVALID_FORMAT -> "invalid format";
            case WRITE_TO_READ_ONLY -> "write to read only range";
            case WRITE_FAULT -> "write fault";
            case UNRECOVERED_READ_ERROR -> "unrecovered read error";
            case GUARD_CHECK_ERROR -> "guard check error";
            case APPLICATION_TAG_CHECK_ERROR -> "application tag check error";
            case REFERENCE_TAG_CHECK_ERROR -> "reference tag check error";
            case COMPARE_FAILURE -> "compare failure";
            case CONTROLLER_PATH_ERROR -> "controller path error";
            case HOST_PATH_ERROR -> "host path error";
            case ABORTED_BY_HOST -> "aborted by a reset";
            default -> "";
        };
    }
}
