package io.gatun.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;

/**
 * A virtual machine under software emulation, with memory that vhost-user back-ends can share. Either it boots the
 * lab's Linux, which then runs the steps of {@code guest/steps.sh} one by one as the test asks for them ({@link #run});
 * or its firmware boots a disk ({@link Builder#bootFromDisk}). What it prints on its serial port is {@link #console()}.
 *
 * <p><b>Thread-safety:</b> one thread drives the guest; the console may be read by any.
 */
public final class QemuGuest implements AutoCloseable {
    /** Long enough for a busy machine of two cores; a guest is usually up within two seconds. */
    public static final Duration BOOT_TIMEOUT = Duration.ofSeconds(60);

    private static final String QMP_SOCKET = "qmp.sock";
    private static final int FIRST_NVME_SLOT = 0x10;
    private static final String PORT = "pcie-root-port,id=rootport1,chassis=1,slot=1,addr=1c.0";
    private static final String PORT_PLACE = "bus=rootport1";
    private static final Duration END_TIMEOUT = Duration.ofSeconds(20);
    private static final Duration UNPLUG_TIMEOUT = Duration.ofSeconds(20);

    private final Lab.Workspace workspace;
    private final PeerProcess process;
    private final Optional<HostFiles> hostFiles;
    private QmpClient qmp;
    private int programs;
    private boolean closed;

    private QemuGuest(Lab.Workspace workspace, PeerProcess process, Optional<HostFiles> hostFiles) {
        this.workspace = workspace;
        this.process = process;
        this.hostFiles = hostFiles;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** A guest that somebody else has started, by its console: a process whose input and output are its serial port. */
    static QemuGuest atConsole(PeerProcess console) {
        return new QemuGuest(Lab.workspace(), console, Optional.empty());
    }

    /** What came over the serial port. */
    public LineLog console() {
        return process.output();
    }

    public PeerProcess process() {
        return process;
    }

    /** Waits for a line of the console, from the first on. */
    public LineLog.Line awaitLine(String what, Predicate<String> condition, Duration timeout) {
        return console().await(what, 0, condition, timeout);
    }

    /** Runs a step to its end. @throws AssertionError if it fails, with what it printed, or takes too long */
    public StepResult run(String step, Duration timeout) {
        int from = console().size();
        process.send(step);
        String name = step.split(" ", 2)[0];
        LineLog.Line end;
        try {
            end = console().await(
                    "the end of step " + name,
                    from,
                    line -> line.equals("STEP-OK " + name) || line.startsWith("STEP-FAIL " + name + " "),
                    timeout);
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + process.errors().tail(20), e);
        }
        List<String> lines = console().from(from).stream()
                .filter(line -> line.index() < end.index())
                .map(LineLog.Line::text)
                .toList();
        if (!end.text().startsWith("STEP-OK")) {
            throw new AssertionError(end.text() + "\n" + String.join("\n", lines) + "\n" + process.errors().tail(20));
        }
        return new StepResult(lines);
    }

    /**
     * Runs a Java program of the host on the host's JDK, as root, after step {@code host_files}; what it prints on its
     * standard output and error comes back. Temporary files are in the guest's memory.
     *
     * @param arguments of {@code java}: options, a main class and its arguments
     * @throws AssertionError if it ends with another status than 0, with what it printed, or takes too long
     */
    public StepResult java(List<String> arguments, Duration timeout) {
        // A line of the console is too short for a class path; the guest reads this file through the share.
        Path file = workspace.path("java-" + programs++ + ".arguments");
        try {
            Files.write(file, arguments.stream().map(QemuGuest::quoted).toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        // Under emulation a program is over before a thorough compiler pays.
        return run(
                "host_program " + Path.of(System.getProperty("java.home"), "bin", "java")
                        + " -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Djava.io.tmpdir=/run @" + file,
                timeout);
    }

    /** As java reads it from an argument file. */
    private static String quoted(String argument) {
        return '"' + argument.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** The PCI address of the controller that was added with this number, from 0. */
    public static String nvmeAddress(int number) {
        return "0000:00:%02x.0".formatted(FIRST_NVME_SLOT + number);
    }

    /** The PCI address of the controller behind the port, see {@link Builder#port}. */
    public static String portAddress() {
        return "0000:01:00.0";
    }

    /** Asks the guest to let go of the controller behind the port, which goes when that has happened. */
    public void unplug(NvmeModel model) {
        qmp().execute("device_del", Map.of("id", model.serial()));
    }

    /** Plugs it in again, once QEMU has let go of the one before: the guest's kernel does so earlier. */
    public void plug(NvmeModel model) {
        long deadline = System.nanoTime() + UNPLUG_TIMEOUT.toNanos();
        while (hasDevice(model.serial())) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(model.serial() + " is not unplugged after " + UNPLUG_TIMEOUT);
            }
            LockSupport.parkNanos(20_000_000);
        }
        Map<String, String> device = new HashMap<>(model.device(PORT_PLACE));
        device.put("driver", "nvme");
        qmp().execute("device_add", device);
    }

    private boolean hasDevice(String id) {
        for (JsonNode device : qmp().execute("qom-list", Map.of("path", "/machine/peripheral"))) {
            if (device.path("name").asText().equals(id)) {
                return true;
            }
        }
        return false;
    }

    /** The monitor. */
    public synchronized QmpClient qmp() {
        if (qmp == null) {
            qmp = QmpClient.connect(workspace.path(QMP_SOCKET));
        }
        return qmp;
    }

    /** Ends the guest's system in order; QEMU exits with it. */
    public void powerOff() {
        process.send("poweroff");
        int status = process.awaitExit(END_TIMEOUT);
        if (status != 0) {
            throw new AssertionError("QEMU ended with " + status + "\n" + process.errors().tail(20));
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (qmp != null) {
            qmp.close();
        }
        process.close();
        hostFiles.ifPresent(HostFiles::close);
        workspace.close();
    }

    /** What a step printed. */
    public record StepResult(List<String> lines) {
        /** The value of the line {@code KEY=value}. @throws AssertionError if there is none */
        public String value(String key) {
            return lines.stream()
                    .filter(line -> line.startsWith(key + "="))
                    .map(line -> line.substring(key.length() + 1))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no line " + key + "= in " + lines));
        }

        public long number(String key) {
            return Long.parseLong(value(key));
        }

        /** Whether step {@code info} saw a feature bit negotiated. */
        public boolean feature(int bit) {
            return value("FEATURES").charAt(bit) == '1';
        }
    }

    /** Collects what a guest is made of. */
    public static final class Builder {
        private final List<GuestDisk> disks = new ArrayList<>();
        private final List<GuestNic> nics = new ArrayList<>();
        private final List<NvmeModel> nvmes = new ArrayList<>();
        private final List<String> extraArguments = new ArrayList<>();
        private List<String> modules = Initramfs.DEFAULT_MODULES;
        private Optional<NvmeModel> behindPort = Optional.empty();
        private int processors = 2;
        private int memoryMegabytes = 512;
        private boolean linux = true;
        private boolean rebootable;
        private boolean iommu;
        private boolean iommuFd;
        private String kernelArguments = "";
        private boolean hostFiles;
        private Duration lifetime = PeerProcess.DEFAULT_LIFETIME;

        private Builder() {}

        /** Adds a disk; the first is {@code vda}. */
        public Builder disk(GuestDisk disk) {
            disks.add(disk);
            return this;
        }

        /** Adds a network interface; the first is {@code eth0}. Loads its driver. */
        public Builder nic(GuestNic nic) {
            nics.add(nic);
            return this;
        }

        /** Adds an NVMe controller, at {@link #nvmeAddress}. */
        public Builder nvme(NvmeModel model) {
            nvmes.add(model);
            return this;
        }

        /** Adds a {@linkplain NvmeModel#pluggable pluggable} controller behind a port, which can be unplugged. */
        public Builder port(NvmeModel model) {
            behindPort = Optional.of(model);
            return this;
        }

        /** An IOMMU before all PCI functions, which the guest's kernel uses. */
        public Builder iommu() {
            iommu = true;
            return this;
        }

        /** The kernel that has {@code /dev/iommu}, {@link Peer#IOMMUFD_KERNEL}. */
        public Builder iommuFdKernel() {
            iommuFd = true;
            return this;
        }

        /** Further arguments on the kernel's command line. */
        public Builder kernelArguments(String arguments) {
            kernelArguments = " " + arguments;
            return this;
        }

        /** The guest can mount the host's files read-only: step {@code host_files}. Needs root. */
        public Builder hostFiles() {
            hostFiles = true;
            return this;
        }

        /** The guest starts again when it is reset or reboots; otherwise QEMU then ends. */
        public Builder rebootable() {
            rebootable = true;
            return this;
        }

        /** Virtual processors; Linux uses no more queues of a disk than it has processors. */
        public Builder processors(int count) {
            processors = count;
            return this;
        }

        public Builder memoryMegabytes(int size) {
            memoryMegabytes = size;
            return this;
        }

        /** Kernel modules that the guest loads, in place of {@link Initramfs#DEFAULT_MODULES}. */
        public Builder modules(String... names) {
            modules = List.of(names);
            return this;
        }

        /** Further arguments of QEMU, for devices that have no method here. */
        public Builder arguments(String... arguments) {
            extraArguments.addAll(List.of(arguments));
            return this;
        }

        /** No Linux: the firmware (SeaBIOS) boots the disk made with {@link GuestDisk#withBoot}. */
        public Builder bootFromDisk() {
            linux = false;
            return this;
        }

        /** QEMU is killed when it has run this long. */
        public Builder lifetime(Duration limit) {
            lifetime = limit;
            return this;
        }

        /** Starts QEMU and returns at once; the console shows {@code GUEST-UP} when Linux is ready. */
        public QemuGuest start() {
            Lab.Workspace workspace = Lab.workspace();
            Optional<HostFiles> files = Optional.empty();
            try {
                files = hostFiles ? Optional.of(HostFiles.share(workspace, lifetime)) : Optional.empty();
                List<String> command = new ArrayList<>(command(workspace));
                files.ifPresent(share -> command.addAll(share.arguments()));
                PeerProcess process = PeerProcess.start("qemu", command, Map.of(), workspace.folder(), lifetime);
                return new QemuGuest(workspace, process, files);
            } catch (Throwable t) {
                files.ifPresent(HostFiles::close);
                workspace.close();
                throw t;
            }
        }

        /** Starts QEMU with Linux and waits until it takes steps. */
        public QemuGuest boot() {
            QemuGuest guest = start();
            try {
                guest.awaitLine("GUEST-UP", line -> line.startsWith("GUEST-UP"), BOOT_TIMEOUT);
                return guest;
            } catch (AssertionError e) {
                String reason = e.getMessage() + guest.process.errors().tail(20);
                guest.close();
                throw new AssertionError(reason, e);
            }
        }

        private static String place(int nvme) {
            return "addr=%x.0".formatted(FIRST_NVME_SLOT + nvme);
        }

        private List<String> allModules() {
            List<String> all = new ArrayList<>(modules);
            if (!nics.isEmpty()) {
                all.add(GuestNic.MODULE);
            }
            if (hostFiles) {
                all.addAll(HostFiles.MODULES);
            }
            return all.stream().distinct().toList();
        }

        private List<String> command(Lab.Workspace workspace) {
            List<String> command = new ArrayList<>(List.of(
                    Peer.QEMU.path().toString(),
                    "-machine", "q35,memory-backend=memory",
                    "-accel", "tcg,thread=multi",
                    "-object", "memory-backend-memfd,id=memory,size=" + memoryMegabytes + "M,share=on",
                    "-m", Integer.toString(memoryMegabytes),
                    "-smp", Integer.toString(processors),
                    "-nodefaults", "-no-user-config",
                    "-display", "none",
                    "-chardev", "stdio,id=console,signal=off",
                    "-device", "isa-serial,chardev=console",
                    "-qmp", "unix:" + workspace.path(QMP_SOCKET) + ",server=on,wait=off"));
            if (!rebootable) {
                command.add("-no-reboot");
            }
            if (linux) {
                Peer peer = iommuFd ? Peer.IOMMUFD_KERNEL : Peer.GUEST_KERNEL;
                KernelImage kernel = (iommuFd ? KernelImage.findWithIommuFd() : KernelImage.find())
                        .orElseThrow(() -> new IllegalStateException(peer.missing().orElse("no guest kernel")));
                command.addAll(List.of(
                        "-kernel", kernel.image().toString(),
                        "-initrd", Initramfs.of(kernel, allModules()).toString(),
                        "-append", "console=ttyS0 panic=-1" + (iommu ? " intel_iommu=on" : "") + kernelArguments));
            }
            if (iommuFd) {
                // QEMU 7.2 spoils the flags after CMPXCHG16B, which kernels use from 6.5 on where they may.
                command.addAll(List.of("-cpu", "qemu64,-cx16"));
            }
            if (iommu) {
                command.addAll(List.of("-device", "intel-iommu,intremap=on,caching-mode=on"));
            }
            for (int i = 0; i < nvmes.size(); i++) {
                command.addAll(nvmes.get(i).arguments(place(i), workspace.folder()));
            }
            behindPort.ifPresent(model -> {
                command.addAll(List.of("-device", PORT));
                command.addAll(model.arguments(PORT_PLACE, workspace.folder()));
            });
            for (int i = 0; i < disks.size(); i++) {
                command.addAll(disks.get(i).arguments(i));
            }
            for (int i = 0; i < nics.size(); i++) {
                command.addAll(nics.get(i).arguments(i));
            }
            command.addAll(extraArguments);
            return command;
        }
    }
}
