package io.gatun.vfio;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How a function gets from one driver to another: every write to sysfs, before anything is touched; then, on {@link
 * #execute}, done. Making a plan refuses what must not be: a function in use, a driver that cannot serve it. Source:
 * {@code Documentation/ABI/testing/sysfs-bus-pci}.
 *
 * <p><b>Thread-safety:</b> none; what the system does meanwhile may make a plan out of date, and then it fails.
 */
public final class BindPlan {
    private static final String NONE = "\n";
    private static final int CLASS_BRIDGE = 0x06;

    private final PciBus bus;
    private final PciFunction function;
    private final Optional<String> driver;
    private final List<Step> steps;
    private final List<String> warnings;

    /** One write. */
    public record Step(String what, Path file, String text) {
        @Override
        public String toString() {
            return what + ": echo " + (text.isBlank() ? "" : text.strip() + " ") + ">" + file;
        }
    }

    private BindPlan(
            PciBus bus, PciFunction function, Optional<String> driver, List<Step> steps, List<String> warnings) {
        this.bus = bus;
        this.function = function;
        this.driver = driver;
        this.steps = List.copyOf(steps);
        this.warnings = List.copyOf(warnings);
    }

    /**
     * From whatever driver it is with to {@code vfio-pci} or {@code uio_pci_generic}. No steps if it is there already.
     *
     * @throws LinuxException with the remedy, if it must not be or cannot be
     * @throws IllegalArgumentException for another driver
     */
    public static BindPlan bind(PciBus bus, PciAddress address, String driver) {
        if (!driver.equals(VfioFiles.DRIVER) && !driver.equals(UioDevice.DRIVER)) {
            throw new IllegalArgumentException(
                    "\"" + driver + "\" is not for user space: choose " + VfioFiles.DRIVER + " or " + UioDevice.DRIVER);
        }
        PciFunction function = bus.function(address);
        if (function.hasDriver(driver)) {
            return new BindPlan(bus, function, Optional.of(driver), List.of(), List.of());
        }
        String what = "bind " + function + " to " + driver;
        requireUnused(bus, function, what);
        if (function.classCode() >>> 16 == CLASS_BRIDGE) {
            throw new LinuxException(what, Errno.EINVAL, "it is a bridge, which stays with the kernel");
        }
        if (!Files.isDirectory(bus.driver(driver))) {
            throw new LinuxException(what, Errno.ENOENT, "the driver is not loaded: modprobe " + driver);
        }
        List<String> warnings = driver.equals(VfioFiles.DRIVER)
                ? requireFitForVfio(bus, function, what)
                : requireFitForUio(function, what);
        List<Step> steps = new ArrayList<>();
        function.driver().ifPresent(now -> steps.add(release(bus, function, now)));
        steps.add(override(function, "reserve it for " + driver, driver));
        steps.add(probe(bus, function, "let " + driver + " take it"));
        return new BindPlan(bus, function, Optional.of(driver), steps, warnings);
    }

    /**
     * Back to the kernel's own driver. No steps if it is not with one for user space.
     *
     * @throws LinuxException with the remedy, if a process drives it
     */
    public static BindPlan unbind(PciBus bus, PciAddress address) {
        PciFunction function = bus.function(address);
        boolean ours = function.hasDriver(VfioFiles.DRIVER) || function.hasDriver(UioDevice.DRIVER);
        if (function.driver().isPresent() && !ours) {
            return new BindPlan(bus, function, function.driver(), List.of(), List.of());
        }
        requireUnused(bus, function, "unbind " + function);
        List<Step> steps = new ArrayList<>();
        steps.add(override(function, "reserve it for nobody", NONE));
        function.driver().ifPresent(now -> steps.add(release(bus, function, now)));
        steps.add(probe(bus, function, "let the kernel's driver take it"));
        return new BindPlan(bus, function, Optional.empty(), steps, List.of());
    }

    /** The function as it was when the plan was made. */
    public PciFunction function() {
        return function;
    }

    /** What will be written, in order; nothing if all is as it should be. */
    public List<Step> steps() {
        return steps;
    }

    /** What its owner should know before it is done. */
    public List<String> warnings() {
        return warnings;
    }

    /**
     * Does it. Where the new driver does not take the function, the kernel's gets it back.
     *
     * @return the function as it is then
     * @throws LinuxException with the step that failed and the remedy
     */
    public PciFunction execute() {
        try {
            steps.forEach(step -> Sysfs.write(step.file, step.text));
        } catch (LinuxException e) {
            giveBack(e);
            throw e;
        }
        PciFunction after = bus.function(function.address());
        if (driver.isPresent() && !after.hasDriver(driver.get())) {
            LinuxException refused = new LinuxException(
                    "bind " + function + " to " + driver.get(),
                    Errno.ENODEV,
                    "the driver did not take it; the kernel's log (dmesg) says why");
            giveBack(refused);
            throw refused;
        }
        return after;
    }

    private void giveBack(LinuxException failure) {
        if (steps.isEmpty() || driver.isEmpty()) {
            return;
        }
        try {
            Sysfs.write(function.directory().resolve("driver_override"), NONE);
            Sysfs.write(bus.root().resolve("sys/bus/pci/drivers_probe"), function.address().toString());
        } catch (LinuxException e) {
            failure.addSuppressed(e);
        }
    }

    private static void requireUnused(PciBus bus, PciFunction function, String what) {
        List<String> uses = FunctionUse.of(bus, function);
        if (!uses.isEmpty()) {
            throw new LinuxException(what, Errno.EBUSY, String.join("; ", uses));
        }
    }

    private static List<String> requireFitForVfio(PciBus bus, PciFunction function, String what) {
        List<String> warnings = new ArrayList<>();
        if (function.iommuGroup() < 0) {
            Path unsafe = bus.root().resolve("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
            if (!Sysfs.read(unsafe).orElse("N").equals("Y")) {
                throw new LinuxException(what, Errno.ENODEV, "no IOMMU: " + VfioFiles.NO_IOMMU);
            }
            warnings.add("without an IOMMU nothing keeps the function from memory that is not Gatun's");
        }
        for (PciFunction other : bus.group(function.iommuGroup())) {
            boolean endpoint = other.classCode() >>> 16 != CLASS_BRIDGE;
            if (endpoint && function.iommuGroup() >= 0 && !other.address().equals(function.address())
                    && other.driver().isPresent() && !other.hasDriver(VfioFiles.DRIVER)) {
                warnings.add(other + " (" + other.driver().get() + ") is in the same IOMMU group: the function can be"
                        + " used once that is with " + VfioFiles.DRIVER + ", too, or with no driver");
            }
        }
        return warnings;
    }

    private static List<String> requireFitForUio(PciFunction function, String what) {
        UioDevice.requireNoTranslation(function);
        if (interruptPin(function) == 0) {
            throw new LinuxException(
                    what,
                    Errno.ENODEV,
                    "it has no legacy interrupt, without which this driver takes nothing: use " + VfioFiles.DRIVER);
        }
        return List.of("nothing keeps the function from memory that is not Gatun's; where there is an IOMMU, use "
                + VfioFiles.DRIVER);
    }

    private static int interruptPin(PciFunction function) {
        try {
            byte[] config = Files.readAllBytes(function.directory().resolve("config"));
            return config.length > ConfigSpace.INTERRUPT_PIN ? config[ConfigSpace.INTERRUPT_PIN] : 0;
        } catch (IOException gone) {
            return 0;
        }
    }

    private static Step release(PciBus bus, PciFunction function, String now) {
        Path file = bus.driver(now).resolve("unbind");
        return new Step("take it from " + now, file, function.address().toString());
    }

    private static Step override(PciFunction function, String what, String driver) {
        return new Step(what, function.directory().resolve("driver_override"), driver);
    }

    private static Step probe(PciBus bus, PciFunction function, String what) {
        return new Step(what, bus.root().resolve("sys/bus/pci/drivers_probe"), function.address().toString());
    }

    @Override
    public String toString() {
        return steps.isEmpty() ? function + " stays as it is" : function + ": " + steps;
    }
}
