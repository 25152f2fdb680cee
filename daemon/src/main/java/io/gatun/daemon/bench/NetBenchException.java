package io.gatun.daemon.bench;

import java.io.Serial;

/** A run could not start or go on: what was tried, and why it failed. */
public final class NetBenchException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    NetBenchException(String message) {
        super(message);
    }

    NetBenchException(String message, Throwable cause) {
        super(message, cause);
    }
}
