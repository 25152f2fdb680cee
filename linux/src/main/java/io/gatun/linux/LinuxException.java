package io.gatun.linux;

import java.io.Serial;

/** A system call of the set-up path failed: says what was tried, why it failed, and what to do about it. */
public final class LinuxException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final int errno;

    /**
     * @param what the attempt, such as {@code open /dev/vfio/12}
     * @param errno the error number, negated or not
     * @param remedy what to do, or an empty string where nothing general can be said
     */
    public LinuxException(String what, int errno, String remedy) {
        super(what + ": " + Errno.name(errno) + (remedy.isEmpty() ? "" : "; " + remedy));
        this.errno = Math.abs(errno);
    }

    /** The error number, positive. */
    public int errno() {
        return errno;
    }
}
