package io.gatun.testkit;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.zip.GZIPOutputStream;

/**
 * The root file system of a lab guest: busybox, a few real tools with their libraries in {@code /tools}, kernel
 * modules, and the guest scripts that are resources of this package. Built without external archivers and kept under a
 * name that hashes all it is made from.
 */
public final class Initramfs {
    /** What a guest needs to find and use virtio disks; {@code virtio_rng} is the smallest device of all. */
    public static final List<String> DEFAULT_MODULES = List.of("virtio_pci", "virtio_blk", "virtio_rng");

    private static final String FORMAT = "1";
    private static final List<Peer> TOOLS = List.of(Peer.MKFS, Peer.FSCK, Peer.BLKDISCARD, Peer.FSTRIM);
    private static final List<String> FOLDERS = List.of("proc", "sys", "dev", "tmp", "mnt", "run", "etc");
    private static final List<String> SCRIPTS = List.of("init", "steps.sh", "net.sh", "host.sh");

    private final KernelImage kernel;
    private final List<Path> modules;

    private Initramfs(KernelImage kernel, List<String> moduleNames) {
        this.kernel = kernel;
        this.modules = kernel.resolve(moduleNames);
    }

    /** The image for a kernel with the named modules: from the lab's folder, or built and kept there. */
    public static Path of(KernelImage kernel, List<String> moduleNames) {
        try {
            return new Initramfs(kernel, moduleNames).cached();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot build the guest's initramfs", e);
        }
    }

    private Path cached() throws IOException {
        Path image = Lab.folder().resolve("initramfs-" + fingerprint() + ".cpio.gz");
        if (Files.exists(image)) {
            return image;
        }
        Files.createDirectories(image.getParent());
        Path partial = Files.createTempFile(image.getParent(), "initramfs-", ".partial");
        try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(partial));
                OutputStream zipped = new GZIPOutputStream(file, 1 << 16);
                CpioArchive archive = new CpioArchive(zipped)) {
            write(archive);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(partial);
            throw e;
        }
        publish(partial, image);
        return image;
    }

    private static void publish(Path partial, Path image) throws IOException {
        try {
            Files.move(partial, image, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(partial, image, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void write(CpioArchive archive) throws IOException {
        for (String folder : FOLDERS) {
            archive.folder(folder);
        }
        Path busybox = Peer.BUSYBOX.path();
        archive.file("bin/busybox", Files.readAllBytes(busybox), true);
        for (String applet : PeerProcess.output(List.of(busybox.toString(), "--list"), Duration.ofSeconds(20))) {
            if (!applet.equals("busybox")) {
                archive.link("bin/" + applet, "busybox");
            }
        }
        Set<Path> libraries = new LinkedHashSet<>();
        for (Peer tool : TOOLS) {
            archive.file("tools/" + tool.path().getFileName(), Files.readAllBytes(tool.path()), true);
            libraries.addAll(librariesOf(tool.path()));
        }
        for (Path library : libraries) {
            archive.file(library.toString(), Files.readAllBytes(library), true);
        }
        StringBuilder order = new StringBuilder();
        for (Path module : modules) {
            String name = KernelImage.moduleName(module.toString()) + ".ko";
            archive.file("lib/modules/" + name, content(module), false);
            order.append(name).append('\n');
        }
        archive.file("guest/modules", order.toString().getBytes(StandardCharsets.UTF_8), false);
        archive.file("init", resource("init"), true);
        archive.file("guest/steps.sh", resource("steps.sh"), false);
        archive.file("guest/net.sh", resource("net.sh"), false);
        archive.file("guest/host.sh", resource("host.sh"), false);
    }

    /**
     * The shared libraries that a program loads, the loader included, as the system's own {@code ldd} resolves them.
     */
    private static List<Path> librariesOf(Path program) {
        return PeerProcess.output(List.of("ldd", program.toString()), Duration.ofSeconds(20)).stream()
                .map(line -> line.replaceFirst("^.*=>", "").trim())
                .filter(line -> line.startsWith("/"))
                .map(line -> Path.of(line.substring(0, line.indexOf(" ("))))
                .toList();
    }

    private static byte[] content(Path module) throws IOException {
        if (!module.toString().endsWith(".xz")) {
            return Files.readAllBytes(module);
        }
        Process xz = new ProcessBuilder("xz", "-dc", module.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (InputStream plain = xz.getInputStream()) {
            byte[] content = plain.readAllBytes();
            if (content.length == 0) {
                throw new IOException("xz -dc " + module + " gave nothing");
            }
            return content;
        }
    }

    private String fingerprint() throws IOException {
        MessageDigest digest = sha256();
        digest.update(FORMAT.getBytes(StandardCharsets.UTF_8));
        for (String script : SCRIPTS) {
            digest.update(resource(script));
        }
        update(digest, kernel.image());
        update(digest, Peer.BUSYBOX.path());
        for (Peer tool : TOOLS) {
            update(digest, tool.path());
        }
        for (Path module : modules) {
            update(digest, module);
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 8);
    }

    private static void update(MessageDigest digest, Path file) throws IOException {
        String state = file + " " + Files.size(file) + " " + Files.getLastModifiedTime(file) + "\n";
        digest.update(state.getBytes(StandardCharsets.UTF_8));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = Initramfs.class.getResourceAsStream("guest/" + name)) {
            if (in == null) {
                throw new IOException("resource guest/" + name + " is missing");
            }
            return in.readAllBytes();
        }
    }
}
