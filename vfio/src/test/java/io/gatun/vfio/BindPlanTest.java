package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BindPlanTest {
    private static final String ADDRESS = "0000:00:04.0";
    private static final String DISK = FakeMachine.device(ADDRESS) + "/nvme/nvme0/nvme0n1";

    @TempDir
    Path root;

    private FakeMachine machine;
    private PciAddress address;

    @BeforeEach
    void controllerWithItsKernelDriver() throws Exception {
        machine = new FakeMachine(root);
        address = machine.nvme(ADDRESS);
        machine.bound(ADDRESS, "nvme");
        machine.block("nvme0n1", DISK, "259:0");
        machine.block("nvme0n1p1", DISK + "/nvme0n1p1", "259:1");
        machine.driver("vfio-pci");
        machine.driver("uio_pci_generic");
    }

    @Test
    void saysEveryWriteBeforeItTouchesAnything() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        BindPlan plan = BindPlan.bind(machine.bus(), address, "vfio-pci");
        Path pci = root.resolve("sys/bus/pci");
        assertEquals(
                List.of(
                        "take it from nvme: echo " + ADDRESS + " >" + pci.resolve("drivers/nvme/unbind"),
                        "reserve it for vfio-pci: echo vfio-pci >"
                                + pci.resolve("devices").resolve(ADDRESS).resolve("driver_override"),
                        "let vfio-pci take it: echo " + ADDRESS + " >" + pci.resolve("drivers_probe")),
                plan.steps().stream().map(BindPlan.Step::toString).toList());
        assertEquals(List.of(), plan.warnings());
        assertEquals("", machine.read("sys/bus/pci/drivers/nvme/unbind"));
        assertEquals("(null)\n", machine.read(FakeMachine.device(ADDRESS) + "/driver_override"));
    }

    /** Nothing takes the function in a folder of files: the writes are there, and those that give it back. */
    @Test
    void aDriverThatDoesNotTakeItGivesItBack() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        BindPlan plan = BindPlan.bind(machine.bus(), address, "vfio-pci");
        LinuxException refused = assertThrows(LinuxException.class, plan::execute);
        assertTrue(refused.getMessage().contains("did not take it"), refused.getMessage());
        assertEquals(ADDRESS, machine.read("sys/bus/pci/drivers/nvme/unbind"));
        assertTrue(machine.read(FakeMachine.device(ADDRESS) + "/driver_override").startsWith("\n"));
        assertEquals(ADDRESS, machine.read("sys/bus/pci/drivers_probe"));
    }

    @Test
    void whatIsThereAlreadyNeedsNoStep() throws Exception {
        machine.bound(ADDRESS, "vfio-pci");
        BindPlan plan = BindPlan.bind(machine.bus(), address, "vfio-pci");
        assertEquals(List.of(), plan.steps());
        assertTrue(plan.execute().hasDriver("vfio-pci"));
        machine.bound(ADDRESS, "nvme");
        assertEquals(List.of(), BindPlan.unbind(machine.bus(), address).steps());
    }

    @Test
    void goesBackToTheKernel() throws Exception {
        machine.bound(ADDRESS, "uio_pci_generic");
        BindPlan plan = BindPlan.unbind(machine.bus(), address);
        assertEquals(3, plan.steps().size());
        plan.execute();
        assertEquals(ADDRESS, machine.read("sys/bus/pci/drivers/uio_pci_generic/unbind"));
        assertEquals(ADDRESS, machine.read("sys/bus/pci/drivers_probe"));
    }

    @Test
    void aMountedDiskIsRefused() throws Exception {
        mount("4711", "259:1", "/dev/nvme0n1p1", "/data");
        assertRefused(Errno.EBUSY, "/dev/nvme0n1p1 is mounted on /data: umount /data");
    }

    @Test
    void aMountWhoseDeviceNumberIsNotTheDisksIsFoundByItsSource() throws Exception {
        mount("1", "0:45", "/dev/nvme0n1", "/pool");
        assertRefused(Errno.EBUSY, "/dev/nvme0n1 is mounted on /pool");
    }

    @Test
    void aDiskOfSeveralControllersIsFoundBesideThem() throws Exception {
        machine.link("sys/class/nvme-subsystem/nvme-subsys0", "sys/devices/virtual/nvme-subsystem/nvme-subsys0");
        machine.link(
                "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0", FakeMachine.device(ADDRESS) + "/nvme/nvme0");
        machine.block("nvme1n1", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1n1", "259:9");
        mount("1", "259:9", "/dev/nvme1n1", "/shared");
        assertRefused(Errno.EBUSY, "/dev/nvme1n1 is mounted on /shared");
    }

    @Test
    void swapBtrfsHoldersAndProcessesAreUses() throws Exception {
        machine.write("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n");
        Files.createDirectories(root.resolve("sys/fs/btrfs/0b5d/devices/nvme0n1"));
        Files.createDirectories(root.resolve(DISK).resolve("holders/dm-3"));
        machine.write("proc/812/comm", "dd\n");
        Files.createDirectories(root.resolve("proc/812/fd"));
        Files.createSymbolicLink(root.resolve("proc/812/fd/5"), Path.of("/dev/nvme0n1"));
        assertRefused(Errno.EBUSY, "swapoff /dev/nvme0n1p1");
        assertRefused(Errno.EBUSY, "/dev/nvme0n1 is part of a mounted btrfs");
        assertRefused(Errno.EBUSY, "/dev/nvme0n1 is part of dm-3");
        assertRefused(Errno.EBUSY, "/dev/nvme0n1 is open in 812 (dd): end that first");
    }

    @Test
    void anotherDisksMountIsNoUse() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        machine.block("sda1", "sys/devices/pci0000:00/0000:00:1f.2/ata1/sda/sda1", "8:1");
        mount("1", "8:1", "/dev/sda1", "/");
        assertEquals(3, BindPlan.bind(machine.bus(), address, "vfio-pci").steps().size());
    }

    @Test
    void aProcessThatDrivesItIsAUse() throws Exception {
        machine.bound(ADDRESS, "vfio-pci");
        machine.group(ADDRESS, 7, "DMA");
        machine.write("proc/99/comm", "gatun\n");
        Files.createDirectories(root.resolve("proc/99/fd"));
        Files.createSymbolicLink(root.resolve("proc/99/fd/8"), Path.of("/dev/vfio/7"));
        LinuxException refused =
                assertThrows(LinuxException.class, () -> BindPlan.unbind(machine.bus(), address));
        assertTrue(refused.getMessage().contains("/dev/vfio/7 is open in 99 (gatun)"), refused.getMessage());
    }

    @Test
    void anInterfaceThatIsUpIsAUse() throws Exception {
        String net = FakeMachine.device(ADDRESS) + "/net/eth7";
        machine.write(net + "/flags", "0x1003\n");
        machine.link("sys/class/net/eth7", net);
        assertRefused(Errno.EBUSY, "ip link set eth7 down");
    }

    @Test
    void vfioNeedsAnIommu() throws Exception {
        assertRefused(Errno.ENODEV, "intel_iommu=on");
        machine.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
        assertEquals(1, BindPlan.bind(machine.bus(), address, "vfio-pci").warnings().size());
    }

    @Test
    void aDriverThatIsNotLoadedIsNamed() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        try (var files = Files.walk(root.resolve("sys/bus/pci/drivers/vfio-pci"))) {
            files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
        }
        assertRefused(Errno.ENOENT, "modprobe vfio-pci");
    }

    @Test
    void theRestOfTheGroupIsNamed() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        machine.nvme("0000:00:05.0");
        machine.bound("0000:00:05.0", "nvme");
        machine.group("0000:00:05.0", 7, "DMA");
        List<String> warnings = BindPlan.bind(machine.bus(), address, "vfio-pci").warnings();
        assertEquals(1, warnings.size());
        assertTrue(warnings.getFirst().startsWith("0000:00:05.0 1b36:0010 (nvme)"), warnings.getFirst());
    }

    @Test
    void uioNeedsPhysicalAddressesAndALegacyInterrupt() throws Exception {
        assertEquals(1, BindPlan.bind(machine.bus(), address, "uio_pci_generic").warnings().size());
        machine.group(ADDRESS, 7, "DMA-FQ");
        assertTrue(assertThrows(LinuxException.class, () -> bindToUio()).getMessage().contains("DMA-FQ"));
        machine.write("sys/kernel/iommu_groups/7/type", "identity\n");
        bindToUio();
        Path config = root.resolve(FakeMachine.device(ADDRESS)).resolve("config");
        byte[] bytes = Files.readAllBytes(config);
        bytes[ConfigSpace.INTERRUPT_PIN] = 0;
        Files.write(config, bytes);
        assertTrue(assertThrows(LinuxException.class, () -> bindToUio()).getMessage().contains("legacy interrupt"));
    }

    @Test
    void bridgesAndOtherDriversAreRefused() throws Exception {
        machine.group(ADDRESS, 7, "DMA");
        machine.write(FakeMachine.device(ADDRESS) + "/class", "0x060400\n");
        assertRefused(Errno.EINVAL, "bridge");
        assertThrows(IllegalArgumentException.class, () -> BindPlan.bind(machine.bus(), address, "nvme"));
    }

    private BindPlan bindToUio() {
        return BindPlan.bind(machine.bus(), address, "uio_pci_generic");
    }

    private void mount(String process, String device, String source, String point) throws Exception {
        machine.write(
                "proc/" + process + "/mountinfo",
                "36 35 " + device + " / " + point + " rw,noatime master:1 - ext4 " + source + " rw\n");
    }

    private void assertRefused(int errno, String part) {
        LinuxException refused =
                assertThrows(LinuxException.class, () -> BindPlan.bind(machine.bus(), address, "vfio-pci"));
        assertEquals(errno, refused.errno(), refused.getMessage());
        assertTrue(refused.getMessage().contains("bind 0000:00:04.0 1b36:0010 to vfio-pci"), refused.getMessage());
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
    }
}
