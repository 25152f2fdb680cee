package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KernelImageTest {
    @TempDir
    Path folder;

    private KernelImage kernel;

    @BeforeEach
    void describeKernel() throws IOException {
        Files.writeString(
                folder.resolve("modules.dep"),
                """
                drivers/virtio/virtio.ko:
                drivers/virtio/virtio_ring.ko: drivers/virtio/virtio.ko
                drivers/block/virtio_blk.ko.xz: drivers/virtio/virtio_ring.ko drivers/virtio/virtio.ko
                drivers/char/hw_random/virtio-rng.ko: drivers/virtio/virtio.ko
                """);
        Files.writeString(folder.resolve("modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
        kernel = new KernelImage(folder.resolve("vmlinuz"), folder);
    }

    @Test
    void needsComeBeforeWhatNeedsThemAndOnlyOnce() {
        assertEquals(
                List.of("virtio", "virtio_ring", "virtio_blk", "virtio_rng"),
                kernel.resolve(List.of("virtio_blk", "virtio_rng", "virtio_blk")).stream()
                        .map(file -> KernelImage.moduleName(file.toString()))
                        .toList());
    }

    @Test
    void builtInModulesNeedNoFile() {
        assertEquals(List.of(), kernel.resolve(List.of("ext4")));
    }

    @Test
    void unknownModulesAreRefusedByName() {
        IllegalArgumentException refusal =
                assertThrows(IllegalArgumentException.class, () -> kernel.resolve(List.of("vduse")));
        assertEquals("kernel " + kernel.image() + " has no module vduse", refusal.getMessage());
    }
}
