package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Who uses a function now, so that it must not be taken from its driver: file systems in any mount namespace, swap,
 * LVM, RAID and the like, processes; one line for each, with the remedy. Source: proc(5), sysfs(5).
 *
 * <p>What this user may not see is not found: root sees all of it.
 */
final class FunctionUse {
    private static final int IFF_UP = 1;

    private final Path root;
    private final PciFunction function;
    private final List<String> uses = new ArrayList<>();

    private FunctionUse(PciBus bus, PciFunction function) {
        root = bus.root();
        this.function = function;
    }

    /** The uses; empty if it may be taken. */
    static List<String> of(PciBus bus, PciFunction function) {
        FunctionUse use = new FunctionUse(bus, function);
        use.findDisks();
        use.findInterfaces();
        use.findDrivers();
        return use.uses;
    }

    private void findDisks() {
        Set<Path> owned = new HashSet<>();
        Sysfs.real(function.directory()).ifPresent(owned::add);
        owned.addAll(sharedNamespaces());
        List<Mount> mounts = null;
        for (Path entry : Sysfs.list(root.resolve("sys/class/block"))) {
            Optional<Path> real = Sysfs.real(entry);
            if (real.isPresent() && owned.stream().anyMatch(real.get()::startsWith)) {
                mounts = mounts == null ? mounts() : mounts;
                findUses(entry.getFileName().toString(), real.get(), mounts);
            }
        }
    }

    /** Where the kernel keeps NVMe namespaces that several controllers could reach: beside the controllers. */
    private List<Path> sharedNamespaces() {
        List<Path> found = new ArrayList<>();
        for (Path controller : Sysfs.list(function.directory().resolve("nvme"))) {
            for (Path subsystem : Sysfs.list(root.resolve("sys/class/nvme-subsystem"))) {
                if (Files.exists(subsystem.resolve(controller.getFileName()))) {
                    Sysfs.real(subsystem).ifPresent(found::add);
                }
            }
        }
        return found;
    }

    private void findUses(String name, Path directory, List<Mount> mounts) {
        int before = uses.size();
        String device = "/dev/" + name;
        String number = Sysfs.read(directory.resolve("dev")).orElse("");
        for (Mount mount : mounts) {
            if (mount.device.equals(number) || mount.source.equals(device)) {
                uses.add(device + " is mounted on " + mount.point + ": umount " + mount.point);
            }
        }
        for (Path fileSystem : Sysfs.list(root.resolve("sys/fs/btrfs"))) {
            if (Files.exists(fileSystem.resolve("devices").resolve(name))) {
                uses.add(device + " is part of a mounted btrfs: unmount it");
            }
        }
        if (swaps().contains(device)) {
            uses.add(device + " is swapped to: swapoff " + device);
        }
        for (Path holder : Sysfs.list(directory.resolve("holders"))) {
            uses.add(device + " is part of " + holder.getFileName() + " (LVM, RAID, encryption): stop that first");
        }
        List<String> processes = FileHolders.list(root.resolve("proc"), device);
        if (!processes.isEmpty()) {
            uses.add(device + " is open in " + String.join(", ", processes) + ": end that first");
        }
        if (uses.size() == before && isClaimed(root.resolve("dev").resolve(name))) {
            uses.add(device + " is claimed by the kernel or by a process that cannot be seen from here");
        }
    }

    /** A block device that is opened so is refused if anything else, such as a file system, claims it alone. */
    private static boolean isClaimed(Path device) {
        try {
            FileIo.open(device.toString(), FileIo.O_RDONLY | FileIo.O_EXCL, 0).close();
            return false;
        } catch (LinuxException e) {
            return e.errno() == Errno.EBUSY;
        }
    }

    private record Mount(String device, String source, String point) {}

    /** The mounts of all namespaces that processes live in, each once. */
    private List<Mount> mounts() {
        List<Mount> mounts = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (Path process : Sysfs.list(root.resolve("proc"))) {
            if (process.getFileName().toString().chars().allMatch(Character::isDigit)) {
                String namespace = Sysfs.linkName(process.resolve("ns/mnt")).orElse(process.toString());
                if (seen.add(namespace)) {
                    Sysfs.read(process.resolve("mountinfo")).ifPresent(text -> text.lines().forEach(line -> {
                        Mount mount = parseMount(line);
                        if (mount != null && !mounts.contains(mount)) {
                            mounts.add(mount);
                        }
                    }));
                }
            }
        }
        return mounts;
    }

    /** {@code 36 35 98:0 /root /mount/point options [tags] - type source options}; null for what is no such line. */
    private static Mount parseMount(String line) {
        int dash = line.indexOf(" - ");
        if (dash < 0) {
            return null;
        }
        String[] fields = line.substring(0, dash).split(" ", 6);
        String[] rest = line.substring(dash + 3).split(" ", 3);
        return fields.length < 6 || rest.length < 2 ? null : new Mount(fields[2], rest[1], fields[4]);
    }

    private List<String> swaps() {
        return Sysfs.read(root.resolve("proc/swaps")).orElse("").lines()
                .map(line -> line.split("\\s+", 2)[0])
                .toList();
    }

    private void findInterfaces() {
        Optional<Path> real = Sysfs.real(function.directory());
        for (Path entry : Sysfs.list(root.resolve("sys/class/net"))) {
            Optional<Path> directory = Sysfs.real(entry);
            if (real.isPresent() && directory.isPresent() && directory.get().startsWith(real.get())
                    && (Sysfs.number(directory.get().resolve("flags"), 0) & IFF_UP) != 0) {
                String name = entry.getFileName().toString();
                uses.add("the interface " + name + " is up: ip link set " + name + " down");
            }
        }
    }

    /** The kernel would wait, without end, for a process that drives the function. */
    private void findDrivers() {
        List<String> files = new ArrayList<>();
        Sysfs.list(function.directory().resolve("uio")).forEach(uio -> files.add("/dev/" + uio.getFileName()));
        Sysfs.list(function.directory().resolve("vfio-dev"))
                .forEach(device -> files.add("/dev/vfio/devices/" + device.getFileName()));
        if (function.hasDriver(VfioFiles.DRIVER) && function.iommuGroup() >= 0) {
            files.add(VfioFiles.group(function));
        }
        for (String file : files) {
            List<String> processes = FileHolders.list(root.resolve("proc"), file);
            if (!processes.isEmpty()) {
                uses.add(file + " is open in " + String.join(", ", processes) + ": end that first");
            }
        }
    }
}
