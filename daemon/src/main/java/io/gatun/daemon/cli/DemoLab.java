package io.gatun.daemon.cli;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/**
 * What the demo boots guests with: QEMU from the path, kernel and initramfs from the lab's folder ({@code $GATUN_LAB},
 * {@code ~/.cache/gatun/lab}), which the peer tests fill.
 */
final class DemoLab {
    private static final String QEMU = "qemu-system-x86_64";

    private final Path folder = Optional.ofNullable(System.getenv("GATUN_LAB"))
            .filter(value -> !value.isBlank())
            .map(Path::of)
            .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache", "gatun", "lab"));

    private final Optional<Path> qemu = Stream.of(
                    System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1))
            .map(directory -> Path.of(directory, QEMU))
            .filter(Files::isExecutable)
            .findFirst();

    private final Optional<Path> kernel =
            newest(folder.resolve("kernel/boot"), "vmlinuz-").stream().findFirst();

    /** Why there can be no guest, in words. */
    String missing() {
        return qemu.isEmpty()
                ? QEMU + " is not on PATH"
                : "no guest image for it in " + folder + " (the peer tests of ./gatun test make one)";
    }

    /** The newest initramfs whose files hold all {@code features}, which are strings; empty where no guest can boot. */
    Optional<Path> image(String... features) {
        if (qemu.isEmpty() || kernel.isEmpty()) {
            return Optional.empty();
        }
        return newest(folder, "initramfs-").stream()
                .filter(image -> holds(image, features))
                .findFirst();
    }

    /** The command that boots an image with {@code devices}, its console on standard input and output. */
    List<String> command(Path image, String... devices) {
        List<String> command = new ArrayList<>(List.of(
                qemu.orElseThrow().toString(),
                "-machine", "q35,memory-backend=memory",
                "-accel", "tcg,thread=multi",
                "-object", "memory-backend-memfd,id=memory,size=256M,share=on",
                "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                "-serial", "stdio",
                "-kernel", kernel.orElseThrow().toString(),
                "-initrd", image.toString(),
                "-append", "console=ttyS0 quiet panic=-1"));
        command.addAll(List.of(devices));
        return command;
    }

    private static boolean holds(Path image, String... features) {
        try (InputStream in = new GZIPInputStream(Files.newInputStream(image), 1 << 16)) {
            String files = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
            return Stream.of(features).allMatch(files::contains);
        } catch (IOException e) {
            return false;
        }
    }

    private static List<Path> newest(Path folder, String prefix) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix)
                            && !file.toString().endsWith(".partial"))
                    .sorted(Comparator.comparingLong((Path file) -> file.toFile().lastModified())
                            .reversed())
                    .toList();
        } catch (IOException e) {
            return List.of();
        }
    }
}
