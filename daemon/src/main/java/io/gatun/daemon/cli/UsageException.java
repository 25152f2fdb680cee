package io.gatun.daemon.cli;

/** An option or a configuration that cannot be meant: one line that names it, its value, and what is accepted. */
public final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public UsageException(String message) {
        super(message);
    }
}
