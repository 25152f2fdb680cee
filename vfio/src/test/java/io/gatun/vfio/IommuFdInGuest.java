package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Runs in a guest with an IOMMU, two NVMe controllers and a kernel that has {@code /dev/iommu}; see {@link
 * VfioGuestTest}. As in a kernel without groups, and in a container that was given none, their files are not there.
 */
class IommuFdInGuest {
    private static final PciBus BUS = InGuest.BUS;
    private static final List<PciAddress> ADDRESSES = InGuest.nvme();

    private final PciAddress address = ADDRESSES.getFirst();

    @AfterEach
    void giveBack() {
        for (PciAddress each : ADDRESSES) {
            assertTrue(BindPlan.unbind(BUS, each).execute().hasDriver("nvme"));
        }
    }

    private static PciFunction bind(PciAddress address) throws IOException {
        PciFunction function = BindPlan.bind(BUS, address, "vfio-pci").execute();
        Files.deleteIfExists(Path.of(VfioFiles.group(function)));
        return function;
    }

    @Test
    void registersDmaAndInterruptsWork() throws Exception {
        PciFunction function = bind(address);
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        try (IommuFdContext context = IommuFdContext.open();
                VfioDevice device = context.open(function)) {
            DmaSpace memory = device.memory();
            try (DmaBuffer huge = memory.allocate(2 << 20);
                    DmaBuffer ordinary = memory.allocate(AdminQueue.BYTES);
                    EventFd event = EventFd.create()) {
                assertTrue(huge.isHuge());
                assertFalse(ordinary.isHuge());
                device.reserveVectors(List.of(event));
                assertEquals(0, device.enableVector(0));
                assertEquals("gatun-vfio", AdminQueue.identify(device, huge.address()));
                assertEquals(1, InGuest.awaitCount(event));
                assertEquals(0, device.disableVector(0));
                assertEquals("gatun-vfio", AdminQueue.identify(device, ordinary.address()));
                assertEquals(0, event.drain());
                device.reserveVectors(List.of());
            }
            assertTrue(device.canReset());
            device.reset();
            try (DmaBuffer again = memory.allocate(AdminQueue.BYTES)) {
                assertEquals("gatun-vfio", AdminQueue.identify(device, again.address()));
            }
            assertEquals(0, memory.mappedBytes());
        }
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
    }

    @Test
    void memoryComesAndGoesAndDevicesToo() throws Exception {
        PciFunction first = bind(address);
        PciFunction second = bind(ADDRESSES.getLast());
        try (IommuFdContext context = IommuFdContext.open();
                Mapping guest = Mapping.anonymous(32 << 20)) {
            long iova;
            try (VfioDevice device = context.open(first);
                    VfioDevice other = context.open(second)) {
                assertEquals(device.memory(), other.memory());
                device.memory().map(guest.address(), guest.lengthBytes());
                iova = device.memory().translate(guest.address());
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address() + (20 << 20)));
                assertEquals("gatun-second", AdminQueue.identify(other, guest.address() + (20 << 20)));
            }
            try (VfioDevice device = context.open(first)) {
                assertEquals(iova, device.memory().translate(guest.address()));
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address() + (24 << 20)));
                device.memory().unmap(guest.address());
                device.memory().map(guest.address(), guest.lengthBytes());
                assertEquals(iova, device.memory().translate(guest.address()));
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address()));
            }
        }
    }

    @Test
    void oneOwnerOnly() throws Exception {
        PciFunction function = bind(address);
        try (IommuFdContext context = IommuFdContext.open();
                VfioDevice device = context.open(function);
                IommuFdContext other = IommuFdContext.open()) {
            assertTrue(device.vectorCount() > 2);
            LinuxException twice = assertThrows(LinuxException.class, () -> context.open(function));
            assertEquals(Errno.EBUSY, twice.errno());
            LinuxException elsewhere = assertThrows(LinuxException.class, () -> other.open(function));
            String holder = "it is in use by " + ProcessHandle.current().pid();
            assertTrue(elsewhere.getMessage().contains(holder), elsewhere::toString);
            LinuxException unbind = assertThrows(LinuxException.class, () -> BindPlan.unbind(BUS, address));
            assertTrue(unbind.getMessage().contains("/dev/vfio/devices/vfio0 is open in "), unbind::toString);
        }
    }

    @Test
    void theSystemGetsAFunctionBackWhenItWantsIt() throws Exception {
        PciFunction function = bind(address);
        try (IommuFdContext context = IommuFdContext.open();
                Mapping guest = Mapping.anonymous(1 << 20)) {
            long iova;
            CompletableFuture<Void> removal;
            try (VfioDevice device = context.open(function)) {
                device.memory().map(guest.address(), guest.lengthBytes());
                iova = device.memory().translate(guest.address());
                removal = CompletableFuture.runAsync(() -> Sysfs.write(function.directory().resolve("remove"), "1"));
                assertTrue(InGuest.awaitCount(device.wantedBack()) > 0);
                assertFalse(removal.isDone());
            }
            removal.get(20, TimeUnit.SECONDS);
            Sysfs.write(Path.of("/sys/bus/pci/rescan"), "1");
            try (VfioDevice device = context.open(bind(address))) {
                assertEquals(iova, device.memory().translate(guest.address()));
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address()));
            }
        }
    }

    @Test
    void itIsTakenWhereThereAreNoGroups() throws Exception {
        bind(address);
        try (PciAccess access = new PciAccess(BUS);
                PciDevice device = access.open(address);
                DmaBuffer memory = device.memory().allocate(AdminQueue.BYTES)) {
            assertInstanceOf(VfioDevice.class, device);
            assertEquals("gatun-vfio", AdminQueue.identify(device, memory.address()));
        }
    }

    @Test
    void whatIsMissingIsNamedWithTheRemedy() throws Exception {
        bind(address);
        try (Unprivileged user = new Unprivileged(address)) {
            String noPermission = user.open();
            assertTrue(noPermission.contains("open /dev/iommu: EACCES; give this user the file"), noPermission);
            allow("/dev/iommu");
            String noDevice = user.open();
            assertTrue(noDevice.contains("open /dev/vfio/devices/vfio0: EACCES; give this user the file"), noDevice);
            allow("/dev/vfio/devices/vfio0");
            String noMemory = user.open();
            assertTrue(noMemory.contains("map 0x100000 bytes for DMA: ENOMEM; locking 1024 KiB more"), noMemory);
        }
        BindPlan.unbind(BUS, address).execute();
        try (PciAccess access = new PciAccess(BUS)) {
            LinuxException unbound = assertThrows(LinuxException.class, () -> access.open(address));
            assertTrue(unbound.getMessage().contains("it is with nvme; bind it first"), unbound::toString);
        }
    }

    private static void allow(String file) throws Exception {
        assertEquals(0, new ProcessBuilder("/bin/chmod", "666", file).start().waitFor());
    }
}
