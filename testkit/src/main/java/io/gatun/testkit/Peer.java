package io.gatun.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A program or file that real-peer tests need and that is no part of Gatun. {@code .ci/install-peers} installs all of
 * them.
 */
public enum Peer {
    QEMU("qemu-system-x86_64", "qemu-system-x86"),
    STORAGE_DAEMON("qemu-storage-daemon", "qemu-system-common"),
    BUSYBOX("busybox", "busybox-static"),
    IP("ip", "iproute2"),
    /** Reads captures with libpcap. */
    TCPDUMP("tcpdump", "tcpdump"),
    /** Reads captures with Wireshark's own code, and takes packets to pieces as Wireshark does. */
    TSHARK("tshark", "tshark"),
    MKFS("mkfs.ext4", "e2fsprogs"),
    FSCK("e2fsck", "e2fsprogs"),
    BLKDISCARD("blkdiscard", "util-linux"),
    FSTRIM("fstrim", "util-linux"),
    /** Shares the host's files with a guest; not on PATH. */
    VIRTIOFSD("virtiofsd", "qemu-system-common"),
    /** DPDK's program for tests of packet drivers; unpacked in the lab's folder where it is not installed. */
    TESTPMD("dpdk-testpmd", "dpdk-dev"),
    /** A Linux kernel with its modules, unpacked in the lab's folder. */
    GUEST_KERNEL("a guest kernel", "linux-image-cloud-amd64"),
    /** Another, with {@code /dev/iommu}; optional, as it is built from source. */
    IOMMUFD_KERNEL("a guest kernel with /dev/iommu", "linux-source-6.12"),
    /** All of what a QEMU guest of the lab is made from. */
    GUEST("a QEMU guest", "qemu-system-x86"),
    /** A guest that runs programs of the host, such as its JDK. */
    GUEST_WITH_HOST_FILES("a QEMU guest with the host's files", "qemu-system-common");

    private static final List<Path> EXTRA_FOLDERS = List.of(Path.of("/usr/sbin"), Path.of("/sbin"));
    private static final List<Path> QEMU_FOLDERS = List.of(Path.of("/usr/lib/qemu"), Path.of("/usr/libexec"));

    private final String program;
    private final String debianPackage;

    Peer(String program, String debianPackage) {
        this.program = program;
        this.debianPackage = debianPackage;
    }

    /** Whether its tests may be skipped even where peers are required. */
    boolean isOptional() {
        return this == IOMMUFD_KERNEL;
    }

    /** Why the peer cannot be used here, with the remedy; empty when it can. */
    public Optional<String> missing() {
        return switch (this) {
            case GUEST ->
                Stream.of(QEMU, BUSYBOX, MKFS, FSCK, BLKDISCARD, FSTRIM, GUEST_KERNEL)
                        .flatMap(part -> part.missing().stream())
                        .findFirst();
            case GUEST_WITH_HOST_FILES ->
                Stream.of(GUEST, VIRTIOFSD).flatMap(part -> part.missing().stream()).findFirst();
            case GUEST_KERNEL, IOMMUFD_KERNEL ->
                find().isPresent() ? Optional.empty() : Optional.of(remedy("under " + Lab.folder()));
            default -> find().isPresent() ? Optional.empty() : Optional.of(remedy("on PATH"));
        };
    }

    /** Where the peer is: a program, or the kernel's folder. */
    public Optional<Path> find() {
        return switch (this) {
            case GUEST, GUEST_WITH_HOST_FILES -> QEMU.find();
            case GUEST_KERNEL -> KernelImage.find().map(KernelImage::image);
            case IOMMUFD_KERNEL -> KernelImage.findWithIommuFd().map(KernelImage::image);
            case TESTPMD -> find(Stream.concat(searchPath(), Stream.of(Lab.folder().resolve("dpdk"))));
            case VIRTIOFSD -> find(Stream.concat(searchPath(), QEMU_FOLDERS.stream()));
            default -> find(searchPath());
        };
    }

    private Optional<Path> find(Stream<Path> folders) {
        return folders.map(folder -> folder.resolve(program)).filter(Files::isExecutable).findFirst();
    }

    /** Where the peer is. @throws IllegalStateException when it is not there, with the remedy */
    public Path path() {
        return find().orElseThrow(() -> new IllegalStateException(remedy("")));
    }

    private static Stream<Path> searchPath() {
        String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
        Stream<Path> named = Stream.of(path.split(":", -1)).filter(folder -> !folder.isEmpty()).map(Path::of);
        return Stream.concat(named, EXTRA_FOLDERS.stream());
    }

    private String remedy(String where) {
        return "%s (%s) was not found %s; run .ci/install-peers as root (Debian package %s)"
                .formatted(name(), program, where, debianPackage);
    }
}
