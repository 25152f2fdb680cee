package io.gatun.nvme;

import java.io.Serial;

/** A controller refused an admin command, did not answer, or is not one that can be driven; says what and why. */
public final class NvmeException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final int status;

    /** Something other than a command failed; the message names the controller, the reason and the remedy. */
    public NvmeException(String message) {
        super(message);
        status = -1;
    }

    /** A command failed with a status of the controller. */
    public NvmeException(String what, int status) {
        super(what + ": " + NvmeStatus.describe(status));
        this.status = status;
    }

    /** The status of the command, see {@link NvmeStatus}; -1 if there is none. */
    public int status() {
        return status;
    }
}
