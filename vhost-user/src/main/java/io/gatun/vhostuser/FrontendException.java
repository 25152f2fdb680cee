package io.gatun.vhostuser;

import java.io.Serial;

/** A front-end's request failed: which, against whom, and why. The connection is of no use after it. */
public final class FrontendException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** Also for what a user of a front-end finds out about its back-end. */
    public FrontendException(String message) {
        super(message);
    }

    FrontendException(String message, Throwable cause) {
        super(message, cause);
    }
}
