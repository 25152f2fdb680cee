package io.gatun.testkit;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Gatun with its disk's image on a tmpfs that is smaller than the disk, in a mount namespace of its own: outside of it
 * nothing is mounted, and it goes with the process.
 *
 * @param gatun the program
 * @param megabytes the size of the file system
 */
record TinyFileSystem(GatunProgram gatun, int megabytes) implements DiskProgram {
    /** Mounts at $1 with the size $2, makes the image $3 of $4 MiB, and becomes the rest. */
    private static final String SETUP = "mkdir -p \"$1\" && mount -t tmpfs -o size=$2m none \"$1\""
            + " && truncate -s $4m \"$3\" && shift 4 && exec \"$@\"";

    @Override
    public String name() {
        return gatun.name();
    }

    @Override
    public boolean supports(DiskSpec spec) {
        return spec.medium() == DiskSpec.Medium.FILE;
    }

    @Override
    public boolean offersWriteCache() {
        return gatun.offersWriteCache();
    }

    @Override
    public List<String> command(DiskSpec spec, Path image, Path socket) {
        Path folder = image.resolveSibling("tiny");
        Path tinyImage = folder.resolve("disk.img");
        List<String> command = new ArrayList<>(List.of("unshare", "-rm", "sh", "-c", SETUP, "sh"));
        command.addAll(List.of(
                folder.toString(),
                Integer.toString(megabytes),
                tinyImage.toString(),
                Integer.toString(spec.sizeMegabytes())));
        command.addAll(gatun.command(spec, tinyImage, socket));
        return command;
    }
}
