package io.gatun.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A Linux kernel for guests: the bootable image and its modules.
 *
 * @param image the {@code vmlinuz} file
 * @param modules the folder {@code lib/modules/VERSION}, with {@code modules.dep}
 */
public record KernelImage(Path image, Path modules) {
    /** The newest kernel in the lab's folder ({@code kernel/boot} and {@code kernel/lib/modules}), if there is one. */
    public static Optional<KernelImage> find() {
        return find("kernel");
    }

    /** A kernel with {@code /dev/iommu} and VFIO's no-IOMMU mode, which no kernel of Debian's has, if there is one. */
    public static Optional<KernelImage> findWithIommuFd() {
        return find("kernel-iommufd");
    }

    private static Optional<KernelImage> find(String folder) {
        Path root = Lab.folder().resolve(folder);
        return list(root.resolve("boot"), "vmlinuz-").max(Path::compareTo).flatMap(image -> {
            String version = image.getFileName().toString().substring("vmlinuz-".length());
            Path modules = root.resolve("lib/modules").resolve(version);
            return Files.exists(modules.resolve("modules.dep"))
                    ? Optional.of(new KernelImage(image, modules))
                    : Optional.empty();
        });
    }

    /**
     * The files of the named modules and of all that they need, in the order in which they must be loaded. Names that
     * are built into the kernel give no file.
     *
     * @throws IllegalArgumentException if the kernel has no such module
     */
    public List<Path> resolve(Collection<String> names) {
        Map<String, List<String>> dependencies = readDependencies();
        Map<String, String> fileByName =
                dependencies.keySet().stream().collect(Collectors.toMap(KernelImage::moduleName, file -> file));
        Set<String> builtIn = lines("modules.builtin").map(KernelImage::moduleName).collect(Collectors.toSet());
        Set<String> ordered = new LinkedHashSet<>();
        for (String name : names) {
            String file = fileByName.get(moduleName(name));
            if (file != null) {
                // modules.dep lists what a module needs with the deepest need last.
                ordered.addAll(dependencies.get(file).reversed());
                ordered.add(file);
            } else if (!builtIn.contains(moduleName(name))) {
                throw new IllegalArgumentException("kernel " + image + " has no module " + name);
            }
        }
        return ordered.stream().map(modules::resolve).toList();
    }

    /** {@code kernel/drivers/char/hw_random/virtio-rng.ko.xz} is the module {@code virtio_rng}. */
    static String moduleName(String file) {
        String name = file.substring(file.lastIndexOf('/') + 1);
        int suffix = name.indexOf(".ko");
        return (suffix < 0 ? name : name.substring(0, suffix)).replace('-', '_');
    }

    private Map<String, List<String>> readDependencies() {
        return lines("modules.dep")
                .map(line -> line.split(":", 2))
                .collect(Collectors.toMap(parts -> parts[0].trim(), parts -> words(parts[1])));
    }

    private static List<String> words(String text) {
        return new ArrayList<>(
                Arrays.stream(text.trim().split("\\s+", -1)).filter(word -> !word.isEmpty()).toList());
    }

    private Stream<String> lines(String name) {
        try {
            return Files.readAllLines(modules.resolve(name)).stream().filter(line -> !line.isBlank());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Stream<Path> list(Path folder, String prefix) {
        if (!Files.isDirectory(folder)) {
            return Stream.empty();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix)).toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
