package io.gatun.testkit;

import java.nio.file.Path;
import java.util.List;

/**
 * A program that serves vhost-user disks: how to ask it for one. The tests of a disk are the same for every program.
 */
public interface DiskProgram {
    String name();

    /** Whether it can serve such a disk at all. */
    boolean supports(DiskSpec spec);

    /** Whether its disks tell the guest at start that they have a volatile write cache. */
    boolean offersWriteCache();

    /**
     * The command that serves a disk.
     *
     * @param image the disk's contents, for {@link DiskSpec.Medium#FILE}; exists and has the disk's size
     * @param socket where it listens or connects to
     */
    List<String> command(DiskSpec spec, Path image, Path socket);
}
