package io.gatun.daemon.bench;

import java.io.Serial;

/** A run could not start or go on: what was tried, and why it failed. */
public final class BlkBenchException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    BlkBenchException(String message) {
        super(message);
    }

    BlkBenchException(String message, Throwable cause) {
        super(message, cause);
    }
}
