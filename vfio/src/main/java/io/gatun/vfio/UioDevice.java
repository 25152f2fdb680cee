package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.FileIo;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A PCI function with the kernel's {@code uio_pci_generic}: registers through sysfs, memory by physical addresses, no
 * interrupts. Source: {@code Documentation/driver-api/uio-howto.rst}, {@code Documentation/PCI/sysfs-pci.rst}.
 *
 * <p>Nothing keeps the device from memory that is not ours. When this process dies, the kernel takes the bus from the
 * device only after the memory has gone: what is in flight then lands in whatever is there by that time.
 */
public final class UioDevice extends PciDevice {
    static final String DRIVER = "uio_pci_generic";

    private final Fd uio;
    private final Fd configFile;
    private final ConfigSpace config;
    private final PhysicalSpace memory;
    private final EventFd never;

    /** Both files are the device's from here on, unless this throws. */
    private UioDevice(PciFunction function, Fd uio, Fd configFile, PhysicalSpace memory) {
        super(function);
        this.uio = uio;
        this.configFile = configFile;
        this.memory = memory;
        config = new ConfigSpace(function.toString(), configFile.value(), 0);
        never = EventFd.create();
        try {
            masterBus();
        } catch (RuntimeException e) {
            never.close();
            throw e;
        }
    }

    /**
     * Opens a function that is with {@code uio_pci_generic}; throws {@link LinuxException} with the remedy.
     *
     * @param memory stays the caller's, who closes it after the device; several devices may share it
     */
    public static UioDevice open(PciFunction function, PhysicalSpace memory) {
        if (!function.hasDriver(DRIVER)) {
            throw new LinuxException(
                    "open " + function + " through UIO",
                    Errno.ENODEV,
                    "it is with " + function.driver().orElse("no driver") + "; bind it first: gatun pci bind "
                            + function.address() + " --driver " + DRIVER);
        }
        requireNoTranslation(function);
        Fd uio = openUio(function);
        try {
            Path path = function.directory().resolve("config");
            Fd configFile = FileIo.open(path.toString(), FileIo.O_RDWR, 0);
            try {
                return new UioDevice(function, uio, configFile, memory);
            } catch (RuntimeException e) {
                configFile.close();
                throw e;
            }
        } catch (RuntimeException e) {
            uio.close();
            throw e;
        }
    }

    /** Refuses a function whose physical addresses an IOMMU would take for something else. */
    static void requireNoTranslation(PciFunction function) {
        String type = Sysfs.read(function.directory().resolve("iommu_group/type")).orElse("identity");
        if (!type.equals("identity")) {
            throw new LinuxException(
                    "use " + function + " through UIO",
                    Errno.EPERM,
                    "the IOMMU translates what it accesses (" + type
                            + "): use vfio-pci, which is the better choice anyway, or boot with iommu=pt");
        }
    }

    private static Fd openUio(PciFunction function) {
        List<Path> found = Sysfs.list(function.directory().resolve("uio"));
        if (found.isEmpty()) {
            throw new LinuxException(
                    "open " + function + " through UIO", Errno.ENODEV, "its UIO device has gone; bind it anew");
        }
        String path = "/dev/" + found.getFirst().getFileName();
        // Anyone can open it again: only a lock keeps two drivers apart.
        Fd uio = VfioFiles.open(path, "the device's file is missing: is /dev a devtmpfs?");
        int locked = FileIo.lock(uio.value(), false);
        if (locked == -Errno.EAGAIN) {
            uio.close();
            String remedy = "it is in use by " + FileHolders.of(Path.of("/proc"), path) + "; end that first";
            throw new LinuxException("open " + function + " through UIO", Errno.EBUSY, remedy);
        }
        return uio;
    }

    @Override
    public Bar bar(int index) {
        PciBar bar = index < function().bars().size() ? function().bars().get(index) : null;
        if (bar == null || bar.lengthBytes() == 0 || !bar.isMemory()) {
            throw new LinuxException(
                    "map BAR " + index + " of " + function(), Errno.ENXIO, "the function has no such memory BAR");
        }
        Path file = function().directory().resolve("resource" + index);
        try (Fd fd = FileIo.open(file.toString(), FileIo.O_RDWR, 0)) {
            return new Bar(Mapping.shared(fd, 0, bar.lengthBytes()));
        }
    }

    @Override
    public ConfigSpace config() {
        return config;
    }

    @Override
    public DmaSpace memory() {
        return memory;
    }

    @Override
    public int vectorCount() {
        return 0;
    }

    @Override
    public void reserveVectors(List<EventFd> events) {
        if (!events.isEmpty()) {
            throw new IllegalArgumentException("interrupts do not reach a process through " + DRIVER);
        }
    }

    @Override
    public int enableVector(int number) {
        return -Errno.EINVAL;
    }

    @Override
    public int disableVector(int number) {
        return -Errno.EINVAL;
    }

    @Override
    public boolean canReset() {
        return Files.exists(function().directory().resolve("reset"));
    }

    @Override
    public void reset() {
        Sysfs.write(function().directory().resolve("reset"), "1");
        masterBus();
    }

    @Override
    public EventFd wantedBack() {
        return never;
    }

    @Override
    public void close() {
        if (uio.isClosed()) {
            return;
        }
        try {
            if (!isGone()) {
                setBusMaster(false);
            }
        } finally {
            configFile.close();
            uio.close();
            never.close();
        }
    }

    /** Nobody handles a legacy interrupt, so the function is not to raise any. */
    private void masterBus() {
        config.changeCommand(ConfigSpace.COMMAND_MEMORY | ConfigSpace.COMMAND_INTX_DISABLE, 0);
        setBusMaster(true);
    }
}
