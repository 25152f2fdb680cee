package io.gatun.daemon;

import io.gatun.daemon.cli.Gatun;

/** Where the program begins. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        System.exit(Gatun.run(System.out, System.err, arguments));
    }
}
