package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The commands of the README, as they stand there, typed into a shell. What the reader brings along the test adds
 * behind their back: {@code qemu-system-x86_64} is a script that gives the lab's Linux and a console to whatever is
 * started.
 */
@RequiresPeer(Peer.GUEST)
@Timeout(180)
class ReadmeTest {
    private static final Duration STEP = GuestPair.STEP;
    private static final String INDENT = "    ";
    private static final Path RPC_SOCKET = Path.of("/var/tmp/gatun.sock");

    /** The commands of a chapter: runs of indented lines, without the dots that stand for what the reader has. */
    private static List<String> commands(String chapter) throws IOException {
        List<String> lines = Files.readAllLines(GatunProgram.require().script().resolveSibling("README.md"));
        List<String> commands = new ArrayList<>();
        StringBuilder command = new StringBuilder();
        int from = lines.indexOf("## " + chapter);
        assertTrue(from >= 0, () -> "README.md has no chapter " + chapter);
        for (String line : lines.subList(from + 1, lines.size())) {
            if (line.startsWith("## ")) {
                break;
            }
            if (line.startsWith(INDENT)) {
                command.append(line.substring(INDENT.length())).append('\n');
            } else if (!command.isEmpty()) {
                commands.add(command.toString().replace(" …", ""));
                command.setLength(0);
            }
        }
        return commands;
    }

    /** What a reader has in the folder where they type: Gatun, images, QEMU. */
    private static void prepare(Lab.Workspace folder, List<String> modules) throws IOException {
        Files.createSymbolicLink(
                folder.path("gatun"), GatunProgram.require().script().toRealPath());
        KernelImage kernel = KernelImage.find().orElseThrow();
        String script = """
                #!/bin/sh
                # The first, the second machine: by the socket it is to use.
                case "$*" in *1.sock*) n=1 ;; *) n=0 ;; esac
                exec %s "$@" -kernel %s -initrd %s -append 'console=ttyS0 panic=-1' -no-reboot -display none \\
                    -monitor none -serial pipe:%s/console$n -global virtio-net-pci.vectors=0
                """.formatted(
                        Peer.QEMU.path(), kernel.image(), Initramfs.of(kernel, modules), folder.folder());
        Path bin = Files.createDirectory(folder.path("bin"));
        Files.writeString(bin.resolve("qemu-system-x86_64"), script);
        Files.setPosixFilePermissions(
                bin.resolve("qemu-system-x86_64"), PosixFilePermissions.fromString("rwxr-xr-x"));
        for (int i = 0; i < 2; i++) {
            for (String end : new String[] {".in", ".out"}) {
                assertEquals(List.of(), output("mkfifo", folder.path("console" + i + end).toString()));
            }
        }
    }

    private static List<String> output(String... command) {
        return PeerProcess.output(List.of(command), STEP);
    }

    private static PeerProcess shell(String name, Lab.Workspace folder, String command) {
        String path = folder.path("bin") + ":" + System.getenv("PATH");
        return PeerProcess.start(
                name,
                List.of("sh", "-c", command + "\nwait"),
                Map.of("PATH", path),
                folder.folder(),
                PeerProcess.DEFAULT_LIFETIME);
    }

    /** Both ways of a guest's console. */
    private static QemuGuest console(Lab.Workspace folder, int number) {
        String pipe = folder.path("console" + number).toString();
        return QemuGuest.atConsole(PeerProcess.start(
                "console" + number, List.of("sh", "-c", "cat " + pipe + ".out & exec cat >" + pipe + ".in")));
    }

    private static void assumeUnused(String... sockets) {
        for (String socket : sockets) {
            assumeFalse(ListeningSockets.contains(Path.of(socket)), () -> socket + " is in use");
        }
        assumeFalse(ListeningSockets.contains(RPC_SOCKET), () -> RPC_SOCKET + " is in use");
    }

    private static void awaitUp(QemuGuest guest, PeerProcess machine) {
        try {
            guest.awaitLine("GUEST-UP", line -> line.startsWith("GUEST-UP"), QemuGuest.BOOT_TIMEOUT);
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + machine.tail(), e);
        }
    }

    /** As Ctrl-C would; it leaves no sockets. */
    private static void end(PeerProcess gatun) {
        gatun.terminate();
        int ignored = gatun.awaitExit(STEP);
        assertTrue(Files.notExists(RPC_SOCKET), () -> "it left " + RPC_SOCKET);
    }

    @Test
    void guestGetsADisk() throws IOException {
        assumeUnused("/tmp/d0.sock");
        List<String> commands = commands("Give a virtual machine a disk");
        assertEquals(2, commands.size(), commands::toString);
        try (Lab.Workspace folder = Lab.workspace()) {
            prepare(folder, Initramfs.DEFAULT_MODULES);
            assertEquals(List.of(), output("truncate", "-s", "64M", folder.path("disk.img").toString()));
            try (PeerProcess gatun = shell("gatun", folder, "exec " + commands.get(0))) {
                ListeningSockets.await(Path.of("/tmp/d0.sock"), gatun, STEP);
                try (PeerProcess machine = shell("qemu", folder, commands.get(1));
                        QemuGuest guest = console(folder, 0)) {
                    awaitUp(guest, machine);
                    guest.run("write_read vda", STEP);
                    guest.process().send("poweroff");
                    assertEquals(0, machine.awaitExit(STEP), machine::tail);
                }
                end(gatun);
            }
        }
    }

    @Test
    void twoGuestsTalk() throws IOException {
        assumeUnused("/tmp/p0.sock", "/tmp/p1.sock");
        List<String> commands = commands("Let two virtual machines talk");
        assertEquals(2, commands.size(), commands::toString);
        try (Lab.Workspace folder = Lab.workspace()) {
            prepare(folder, List.of("virtio_pci", "virtio_net"));
            for (int i = 0; i < 2; i++) {
                List<String> ignored = output(
                        "qemu-img", "create", "-f", "qcow2", folder.path("guest" + i + ".qcow2").toString(), "1M");
            }
            try (PeerProcess gatun = shell("gatun", folder, "exec " + commands.get(0))) {
                ListeningSockets.await(Path.of("/tmp/p0.sock"), gatun, STEP);
                ListeningSockets.await(Path.of("/tmp/p1.sock"), gatun, STEP);
                try (PeerProcess machines = shell("qemu", folder, commands.get(1));
                        QemuGuest first = console(folder, 0);
                        QemuGuest second = console(folder, 1)) {
                    awaitUp(first, machines);
                    awaitUp(second, machines);
                    first.run("net_up eth0 10.77.0.1/24", STEP);
                    second.run("net_up eth0 10.77.0.2/24", STEP);
                    first.run("ping 10.77.0.2 20", STEP);
                    second.run("ping 10.77.0.1 20 1472", STEP);
                    first.process().send("poweroff");
                    second.process().send("poweroff");
                    assertEquals(0, machines.awaitExit(STEP), machines::tail);
                }
                end(gatun);
            }
        }
    }
}
