package io.gatun.daemon.target;

import io.gatun.reactor.Reactor.IdlePolicy;
import io.gatun.vhostuser.BackendOptions;
import java.nio.file.Path;
import java.util.List;

/**
 * What a target is started with and keeps.
 *
 * @param cores the processors that reactors are pinned to, one each; empty for a single one that the scheduler places
 * @param idle what reactors do without work
 * @param backend for every vhost-user socket
 * @param vhostDirectory where controllers get their socket if their name is not an absolute path
 */
public record Settings(List<Integer> cores, IdlePolicy idle, BackendOptions backend, Path vhostDirectory) {
    public Settings {
        cores = List.copyOf(cores);
    }

    /** One reactor wherever the scheduler likes, sleeping when idle; sockets in the working directory. */
    public static final Settings DEFAULT =
            new Settings(List.of(), IdlePolicy.ADAPTIVE, BackendOptions.DEFAULT, Path.of("").toAbsolutePath());
}
