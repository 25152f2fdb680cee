package io.gatun.daemon.cli;

import picocli.CommandLine.Option;

/** The option for how much is logged; standard error is where. */
final class LogLevel {
    private enum Level {
        error,
        warn,
        info,
        debug,
        trace
    }

    @Option(
            names = "--log-level",
            paramLabel = "LEVEL",
            defaultValue = "info",
            description = "error, warn, info, debug or trace (default: ${DEFAULT-VALUE}).")
    private Level level = Level.info;

    /** Sets the level by its name; false where it is none. */
    boolean set(String name) {
        for (Level known : Level.values()) {
            if (known.name().equals(name)) {
                level = known;
                return true;
            }
        }
        return false;
    }

    /** To be called before the first logger is made. */
    void apply() {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", level.name());
    }
}
