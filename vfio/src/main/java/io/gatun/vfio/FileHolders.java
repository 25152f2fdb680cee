package io.gatun.vfio;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Which processes have a file open, as far as this user may see. Source: proc(5). */
final class FileHolders {
    private FileHolders() {}

    /** Process numbers and names, such as {@code 812 (qemu-system-x86)}, or words for none that can be seen. */
    static String of(Path proc, String file) {
        List<String> found = list(proc, file);
        return found.isEmpty() ? "none that this user may see" : String.join(", ", found);
    }

    /** Process numbers and names, such as {@code 812 (qemu-system-x86)}. */
    static List<String> list(Path proc, String file) {
        Path target = Path.of(file);
        List<String> found = new ArrayList<>();
        for (Path process : Sysfs.list(proc)) {
            String number = process.getFileName().toString();
            if (number.chars().allMatch(Character::isDigit) && hasOpen(process.resolve("fd"), target)) {
                found.add(number + Sysfs.read(process.resolve("comm")).map(name -> " (" + name + ")").orElse(""));
            }
        }
        return found;
    }

    private static boolean hasOpen(Path fds, Path target) {
        return Sysfs.list(fds).stream().anyMatch(fd -> target.equals(linkTarget(fd)));
    }

    private static Path linkTarget(Path fd) {
        try {
            return Files.readSymbolicLink(fd);
        } catch (IOException closedMeanwhile) {
            return null;
        }
    }
}
