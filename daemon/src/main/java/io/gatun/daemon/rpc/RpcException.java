package io.gatun.daemon.rpc;

import io.gatun.linux.Errno;

/**
 * A method's failure as its caller sees it: a code and a text. Codes are those of JSON-RPC 2.0 §5.1, or {@code -errno};
 * texts begin with what SPDK answers in the same place, since clients match on them, and may say more behind it.
 */
public final class RpcException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public static final int PARSE_ERROR = -32700;
    public static final int INVALID_REQUEST = -32600;
    public static final int METHOD_NOT_FOUND = -32601;
    public static final int INVALID_PARAMS = -32602;
    public static final int INTERNAL_ERROR = -32603;
    /** SPDK's own: the method exists, and may not be called now. */
    public static final int INVALID_STATE = -1;

    private final int code;

    public RpcException(int code, String message) {
        super(message);
        this.code = code;
    }

    /**
     * A failure with an error number (positive or negated) and its usual words, with what it happened to behind them.
     */
    public static RpcException errno(int errno, String what) {
        return withCode(-Math.abs(errno), errno, what);
    }

    /** Like {@link #errno}, under another code: SPDK's vhost methods report every failure as invalid parameters. */
    public static RpcException withCode(int code, int errno, String what) {
        return new RpcException(code, words(errno) + (what.isEmpty() ? "" : ": " + what));
    }

    /** A parameter is unknown, missing, or not what the method accepts. */
    public static RpcException invalidParameters(String why) {
        return new RpcException(INVALID_PARAMS, "Invalid parameters: " + why);
    }

    public int code() {
        return code;
    }

    /** What strerror(3) says for the numbers that methods answer with. */
    static String words(int errno) {
        return switch (Math.abs(errno)) {
            case Errno.EPERM -> "Operation not permitted";
            case Errno.ENOENT -> "No such file or directory";
            case Errno.EIO -> "Input/output error";
            case Errno.ENXIO -> "No such device or address";
            case Errno.ENOMEM -> "Cannot allocate memory";
            case Errno.EACCES -> "Permission denied";
            case Errno.EBUSY -> "Device or resource busy";
            case Errno.EEXIST -> "File exists";
            case Errno.ENODEV -> "No such device";
            case Errno.ENOTDIR -> "Not a directory";
            case Errno.EISDIR -> "Is a directory";
            case Errno.EINVAL -> "Invalid argument";
            case Errno.EMFILE -> "Too many open files";
            case Errno.EFBIG -> "File too large";
            case Errno.ENOSPC -> "No space left on device";
            case Errno.EROFS -> "Read-only file system";
            case Errno.ENAMETOOLONG -> "File name too long";
            case Errno.EOPNOTSUPP -> "Operation not supported";
            case Errno.EADDRINUSE -> "Address already in use";
            case Errno.ETIMEDOUT -> "Connection timed out";
            default -> "Error " + Errno.name(errno);
        };
    }
}
