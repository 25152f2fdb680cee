package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.PageMap;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Runs in a guest with an IOMMU, an NVMe controller and the kernel's drivers for it; see {@link VfioGuestTest}. */
class VfioInGuest {
    private static final PciBus BUS = InGuest.BUS;
    private static final long GIBIBYTE = 1 << 30;

    private final PciAddress address = InGuest.nvme().getFirst();

    @AfterEach
    void giveBack() {
        assertTrue(BindPlan.unbind(BUS, address).execute().hasDriver("nvme"));
    }

    @Test
    void aDiskInUseStaysWithTheKernel() throws Exception {
        Path disk = awaitDisk();
        try (FileChannel open = FileChannel.open(disk, StandardOpenOption.READ)) {
            assertTrue(open.isOpen());
            assertRefused(disk + " is open in " + ProcessHandle.current().pid() + " (");
        }
        command("/sbin/mkswap", disk.toString());
        command("/sbin/swapon", disk.toString());
        assertRefused("swapoff " + disk);
        command("/sbin/swapoff", disk.toString());
        assertTrue(bind().hasDriver("vfio-pci"));
        assertFalse(Files.exists(disk));
    }

    @Test
    void registersDmaAndInterruptsWork() throws Exception {
        PciFunction function = bind();
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        try (VfioContainer container = VfioContainer.open()) {
            assertThrows(IllegalStateException.class, container::memory);
            try (VfioDevice device = container.open(function)) {
                DmaSpace memory = device.memory();
                try (DmaBuffer huge = memory.allocate(2 << 20);
                        DmaBuffer ordinary = memory.allocate(AdminQueue.BYTES);
                        EventFd first = EventFd.create();
                        EventFd second = EventFd.create()) {
                    assertTrue(huge.isHuge());
                    assertFalse(ordinary.isHuge());
                    assertEquals(2 << 20, memory.contiguousBytes(huge.address()));
                    assertEquals(AdminQueue.BYTES, memory.contiguousBytes(ordinary.address()));
                    device.reserveVectors(List.of(first, second));
                    assertEquals(0, device.enableVector(0));
                    assertEquals("gatun-vfio", AdminQueue.identify(device, huge.address()));
                    assertEquals(1, InGuest.awaitCount(first));
                    assertEquals(0, device.disableVector(0));
                    assertEquals("gatun-vfio", AdminQueue.identify(device, ordinary.address()));
                    assertEquals(0, first.drain());
                    assertEquals(0, second.drain());
                    device.reserveVectors(Collections.nCopies(device.vectorCount(), first));
                    device.reserveVectors(List.of());
                    // A reactor may be late to switch its vector off.
                    assertEquals(-Errno.ENODEV, device.disableVector(0));
                    assertEquals(-Errno.ENODEV, device.enableVector(0));
                }
                assertNotEquals(0, device.config().capability(ConfigSpace.CAPABILITY_MSIX));
                assertTrue(device.canReset());
                device.reset();
                try (DmaBuffer again = memory.allocate(AdminQueue.BYTES)) {
                    assertEquals("gatun-vfio", AdminQueue.identify(device, again.address()));
                }
                assertEquals(0, memory.mappedBytes());
            }
        }
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void pagesOfAGibibyteAreTakenWhereTheyAreReserved() throws Exception {
        PciFunction function = bind();
        try (VfioContainer container = VfioContainer.open();
                VfioDevice device = container.open(function);
                DmaBuffer memory = device.memory().allocate(GIBIBYTE)) {
            assertTrue(memory.isHuge());
            assertEquals(GIBIBYTE, PageMap.pageBytes(memory.address(), memory.lengthBytes()));
            assertEquals(GIBIBYTE, device.memory().contiguousBytes(memory.address()));
            assertEquals(0, device.memory().translate(memory.address()) % GIBIBYTE, "the IOMMU can map it as one page");
            long end = memory.address() + GIBIBYTE;
            assertEquals("gatun-vfio", AdminQueue.identify(device, memory.address()));
            assertEquals("gatun-vfio", AdminQueue.identify(device, end - AdminQueue.BYTES));
        }
    }

    @Test
    void memoryComesAndGoesAndDevicesToo() throws Exception {
        PciFunction function = bind();
        try (VfioContainer container = VfioContainer.open();
                Mapping guest = Mapping.anonymous(32 << 20)) {
            long iova;
            try (VfioDevice device = container.open(function)) {
                device.memory().map(guest.address(), guest.lengthBytes());
                iova = device.memory().translate(guest.address());
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address() + (20 << 20)));
            }
            try (VfioDevice device = container.open(BUS.function(address))) {
                assertEquals(iova, device.memory().translate(guest.address()));
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address() + (24 << 20)));
                device.memory().unmap(guest.address());
                device.memory().map(guest.address(), guest.lengthBytes());
                assertEquals(iova, device.memory().translate(guest.address()));
            }
        }
    }

    @Test
    void oneOwnerOnly() throws Exception {
        PciFunction function = bind();
        try (VfioContainer container = VfioContainer.open();
                VfioDevice device = container.open(function);
                VfioContainer other = VfioContainer.open()) {
            assertTrue(device.vectorCount() > 2);
            LinuxException twice = assertThrows(LinuxException.class, () -> container.open(function));
            assertEquals(Errno.EBUSY, twice.errno());
            LinuxException elsewhere = assertThrows(LinuxException.class, () -> other.open(function));
            assertEquals(Errno.EBUSY, elsewhere.errno());
            assertTrue(elsewhere.getMessage().contains(ProcessHandle.current().pid() + " (java)"), elsewhere::toString);
            LinuxException unbind = assertThrows(LinuxException.class, () -> BindPlan.unbind(BUS, address));
            assertTrue(unbind.getMessage().contains("/dev/vfio/" + function.iommuGroup()), unbind::toString);
        }
        try (VfioContainer container = VfioContainer.open()) {
            // Only functions with virtual functions, and these, take a token.
            assertThrows(
                    LinuxException.class, () -> container.open(function, Optional.of(UUID.randomUUID())));
            container.open(function).close();
        }
    }

    @Test
    void aFunctionWithoutItsMemoryReadsAsOnes() throws Exception {
        try (VfioContainer container = VfioContainer.open();
                VfioDevice device = container.open(bind());
                Bar bar = device.bar(0)) {
            int version = bar.readInt(8);
            device.config().changeCommand(0, ConfigSpace.COMMAND_MEMORY);
            assertEquals(-1, bar.readInt(8));
            assertEquals(-1, bar.readLong(0));
            bar.writeInt(0x14, 0);
            device.config().changeCommand(ConfigSpace.COMMAND_MEMORY, 0);
            assertEquals(version, bar.readInt(8));
            assertFalse(device.isGone());
            assertThrows(LinuxException.class, () -> device.bar(5));
        }
    }

    @Test
    void theSystemGetsAFunctionBackWhenItWantsIt() throws Exception {
        PciFunction function = bind();
        try (VfioContainer container = VfioContainer.open();
                Mapping guest = Mapping.anonymous(1 << 20)) {
            long iova;
            CompletableFuture<Void> removal;
            try (VfioDevice device = container.open(function)) {
                assertEquals(0, device.wantedBack().drain());
                device.memory().map(guest.address(), guest.lengthBytes());
                iova = device.memory().translate(guest.address());
                removal = CompletableFuture.runAsync(() -> Sysfs.write(function.directory().resolve("remove"), "1"));
                assertTrue(InGuest.awaitCount(device.wantedBack()) > 0);
                assertFalse(removal.isDone());
            }
            removal.get(20, TimeUnit.SECONDS);
            assertThrows(LinuxException.class, () -> BUS.function(address));
            Sysfs.write(Path.of("/sys/bus/pci/rescan"), "1");
            try (VfioDevice device = container.open(bind())) {
                assertEquals(iova, device.memory().translate(guest.address()));
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address()));
            }
        }
    }

    @Test
    void whatIsMissingIsNamedWithTheRemedy() throws Exception {
        PciFunction function = bind();
        String group = "/dev/vfio/" + function.iommuGroup();
        try (Unprivileged user = new Unprivileged(address)) {
            String noPermission = user.open();
            assertTrue(noPermission.contains("open " + group + ": EACCES; give this user the file"), noPermission);
            command("/bin/chmod", "666", group);
            String noMemory = user.open();
            assertTrue(noMemory.contains("map 0x100000 bytes for DMA: ENOMEM; locking 1024 KiB more"), noMemory);
            assertTrue(noMemory.contains("now 64 KiB"), noMemory);
        }
        BindPlan.unbind(BUS, address).execute();
        LinuxException unbound = assertThrows(LinuxException.class, () -> {
            try (VfioContainer container = VfioContainer.open()) {
                container.open(BUS.function(address));
            }
        });
        assertTrue(unbound.getMessage().contains("it is with nvme; bind it first: gatun pci bind " + address));
        LinuxException uio =
                assertThrows(LinuxException.class, () -> BindPlan.bind(BUS, address, "uio_pci_generic"));
        assertTrue(uio.getMessage().contains("iommu=pt"), uio::toString);
    }

    private PciFunction bind() throws Exception {
        awaitDisk();
        return BindPlan.bind(BUS, address, "vfio-pci").execute();
    }

    private void assertRefused(String part) {
        LinuxException refused =
                assertThrows(LinuxException.class, () -> BindPlan.bind(BUS, address, "vfio-pci"));
        assertEquals(Errno.EBUSY, refused.errno());
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
    }

    /** The kernel's driver finds its disk a moment after it has the controller. */
    private static Path awaitDisk() throws Exception {
        Path disk = Path.of("/dev/nvme0n1");
        for (int i = 0; i < 100 && !Files.exists(disk); i++) {
            Thread.sleep(50);
        }
        return disk;
    }

    private static void command(String... command) throws Exception {
        Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), said);
    }
}
