package io.gatun.vhostuser;

import java.io.Serial;

/**
 * The peer did what the protocol forbids, or what cannot be done for it: the reason, in words. Ends its connection,
 * nothing else.
 */
final class ProtocolViolation extends Exception {
    @Serial
    private static final long serialVersionUID = 1L;

    ProtocolViolation(String reason) {
        super(reason);
    }

    @SuppressWarnings("AnnotateFormatMethod") // Its annotation would be a dependency.
    ProtocolViolation(String format, Object... arguments) {
        super(String.format(format, arguments));
    }
}
