package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The lab's folders: what is kept between runs, and what lives as long as one test. */
public final class Lab {
    private Lab() {}

    /** Where kernels and guest images are kept: {@code $GATUN_LAB}, or {@code ~/.cache/gatun/lab}. */
    public static Path folder() {
        return Optional.ofNullable(System.getenv("GATUN_LAB"))
                .filter(value -> !value.isBlank())
                .map(Path::of)
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache", "gatun", "lab"));
    }

    /**
     * A new folder for sockets and images of one test, under the system's temporary folder: its path is short, as a
     * socket's must be (at most 107 bytes). The owner closes it.
     */
    public static Workspace workspace() {
        try {
            return new Workspace(Files.createTempDirectory("gatun-"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A temporary folder; closing removes it with all that is in it. */
    public record Workspace(Path folder) implements AutoCloseable {
        public Path path(String name) {
            return folder.resolve(name);
        }

        @Override
        public void close() {
            try (Stream<Path> files = Files.walk(folder)) {
                List<Path> deepestFirst = files.sorted(Comparator.reverseOrder()).toList();
                for (Path file : deepestFirst) {
                    Files.deleteIfExists(file);
                }
            } catch (IOException e) {
                throw new UncheckedIOException("cannot remove " + folder, e);
            }
        }
    }
}
