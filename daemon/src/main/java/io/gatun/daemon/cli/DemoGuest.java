package io.gatun.daemon.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.gatun.daemon.rpc.JsonRpcClient;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The demo's Linux guest, where QEMU and the lab's guest image are at hand ({@code $GATUN_LAB}, {@code
 * ~/.cache/gatun/lab}: the peer tests fill it). Says what is missing otherwise.
 */
final class DemoGuest {
    private static final String QEMU = "qemu-system-x86_64";
    private static final int PATIENCE_SECONDS = 120;

    private final PrintWriter out;

    DemoGuest(PrintWriter out) {
        this.out = out;
    }

    /**
     * Boots a guest on the disk at {@code socket}; true if it found its disk, or if there is nothing to boot it with.
     */
    boolean run(Path socket, JsonRpcClient client) {
        Path lab = Optional.ofNullable(System.getenv("GATUN_LAB"))
                .filter(value -> !value.isBlank())
                .map(Path::of)
                .orElseGet(() -> Path.of(System.getProperty("user.home"), ".cache", "gatun", "lab"));
        Optional<Path> qemu = Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1))
                .map(folder -> Path.of(folder, QEMU))
                .filter(Files::isExecutable)
                .findFirst();
        Optional<Path> kernel = newest(lab.resolve("kernel/boot"), "vmlinuz-");
        Optional<Path> initramfs = newest(lab, "initramfs-");
        if (qemu.isEmpty() || kernel.isEmpty() || initramfs.isEmpty()) {
            out.println("No guest: " + (qemu.isEmpty() ? QEMU + " is not on PATH" : "no guest image in " + lab
                    + " (the peer tests of ./gatun test make one)") + ".");
            return true;
        }
        out.println("== A Linux guest in QEMU on the RAM disk, packed ring (emulated, so give it a minute)");
        out.flush();
        try {
            return boot(List.of(
                    qemu.get().toString(),
                    "-machine", "q35,memory-backend=memory",
                    "-accel", "tcg,thread=multi",
                    "-object", "memory-backend-memfd,id=memory,size=256M,share=on",
                    "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                    "-serial", "stdio",
                    "-kernel", kernel.get().toString(),
                    "-initrd", initramfs.get().toString(),
                    "-append", "console=ttyS0 quiet panic=-1",
                    "-chardev", "socket,id=disk,path=" + socket,
                    "-device", "vhost-user-blk-pci,chardev=disk,packed=on"), client);
        } catch (IOException e) {
            out.println("gatun: the guest failed: " + e.getMessage());
            return false;
        }
    }

    private boolean boot(List<String> command, JsonRpcClient client) throws IOException {
        Process guest = new ProcessBuilder(command).redirectErrorStream(true).start();
        Thread watchdog = Thread.ofPlatform().daemon().start(() -> endIn(guest));
        boolean found = false;
        try (BufferedReader console =
                        new BufferedReader(new InputStreamReader(guest.getInputStream(), StandardCharsets.UTF_8));
                Writer keyboard =
                        new BufferedWriter(new OutputStreamWriter(guest.getOutputStream(), StandardCharsets.UTF_8))) {
            String line = console.readLine();
            while (line != null) {
                out.println("  guest: " + line);
                out.flush();
                found |= line.startsWith("STEP-OK info");
                if (line.startsWith("GUEST-UP")) {
                    keyboard.write("info vda\npoweroff\n");
                    keyboard.flush();
                } else if (line.startsWith("STEP-OK")) {
                    showQueues(client);
                }
                line = console.readLine();
            }
        } finally {
            guest.destroyForcibly();
            watchdog.interrupt();
        }
        return found;
    }

    private void showQueues(JsonRpcClient client) {
        for (JsonNode controller : client.call("vhost_get_controllers", null)) {
            for (JsonNode queue : controller.path("queues")) {
                if (queue.path("started").asBoolean()) {
                    out.println("  gatun: " + controller.path("ctrlr").asText() + " queue "
                            + queue.path("index").asInt() + ": " + queue.path("reads").asLong() + " reads, "
                            + (queue.path("packed").asBoolean() ? "packed" : "split") + " ring");
                }
            }
        }
    }

    private static void endIn(Process guest) {
        try {
            guest.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
            guest.destroyForcibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Optional<Path> newest(Path folder, String prefix) {
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix)
                            && !file.toString().endsWith(".partial"))
                    .max((a, b) -> Long.compare(a.toFile().lastModified(), b.toFile().lastModified()));
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
