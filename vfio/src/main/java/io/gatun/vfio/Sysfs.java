package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Small files and links of {@code /sys} and {@code /proc}, which may vanish at any moment: what is gone is absent, not
 * an error.
 */
final class Sysfs {
    private Sysfs() {}

    /** The text of a file without its last line end, or nothing where it cannot be read. */
    static Optional<String> read(Path file) {
        try {
            return Optional.of(Files.readString(file, java.nio.charset.StandardCharsets.ISO_8859_1).strip());
        } catch (IOException absent) {
            return Optional.empty();
        }
    }

    /** A number in decimal or, after 0x, hexadecimal; {@code absent} where the file is not there or says no number. */
    static int number(Path file, int absent) {
        try {
            return read(file).map(Long::decode).orElse((long) absent).intValue();
        } catch (NumberFormatException e) {
            return absent;
        }
    }

    /** The last name of what a link points to. */
    static Optional<String> linkName(Path link) {
        try {
            return Optional.of(Files.readSymbolicLink(link).getFileName().toString());
        } catch (IOException absent) {
            return Optional.empty();
        }
    }

    /** What is in a folder, sorted; nothing where it is not there. */
    static List<Path> list(Path directory) {
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
            entries.forEach(found::add);
        } catch (IOException | java.nio.file.DirectoryIteratorException absent) {
            return List.of();
        }
        found.sort(null);
        return found;
    }

    /** The path without links, or nothing where it is gone. */
    static Optional<Path> real(Path path) {
        try {
            return Optional.of(path.toRealPath());
        } catch (IOException absent) {
            return Optional.empty();
        }
    }

    /** Writes to a file that exists; throws {@link LinuxException} with the remedy. */
    static void write(Path file, String text) {
        String what = "write \"" + text.strip() + "\" to " + file;
        try {
            Files.writeString(file, text, StandardOpenOption.WRITE);
        } catch (AccessDeniedException e) {
            throw failure(what, Errno.EACCES, "run as root", e);
        } catch (NoSuchFileException e) {
            throw failure(what, Errno.ENOENT, "the function or the driver has gone; list the functions again", e);
        } catch (IOException e) {
            throw failure(what, Errno.EIO, e.getMessage() + "; the kernel's log (dmesg) may say more", e);
        }
    }

    private static LinuxException failure(String what, int errno, String remedy, IOException cause) {
        LinuxException failure = new LinuxException(what, errno, remedy);
        failure.addSuppressed(cause);
        return failure;
    }
}
