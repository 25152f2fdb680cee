package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Runs in a guest without an IOMMU, with an NVMe controller and a kernel that has VFIO's unsafe no-IOMMU mode; see
 * {@link VfioGuestTest}.
 */
class NoIommuInGuest {
    private static final PciBus BUS = InGuest.BUS;
    private static final Path MODE = Path.of("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");

    private final PciAddress address = InGuest.nvme().getFirst();

    @Test
    void registersDmaAndInterruptsWorkByPhysicalAddresses() throws Exception {
        LinuxException safe = assertThrows(LinuxException.class, () -> BindPlan.bind(BUS, address, "vfio-pci"));
        assertTrue(safe.getMessage().contains("no IOMMU"), safe::toString);
        Sysfs.write(MODE, "1");
        BindPlan plan = BindPlan.bind(BUS, address, "vfio-pci");
        assertEquals(List.of("without an IOMMU nothing keeps the function from memory that is not Gatun's"),
                plan.warnings());
        PciFunction function = plan.execute();
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        try (PciAccess access = new PciAccess(BUS);
                PciDevice device = access.open(address)) {
            assertInstanceOf(VfioDevice.class, device);
            assertInstanceOf(PhysicalSpace.class, device.memory());
            try (DmaBuffer memory = device.memory().allocate(AdminQueue.BYTES);
                    EventFd event = EventFd.create()) {
                assertTrue(memory.isHuge());
                device.reserveVectors(List.of(event));
                assertEquals(0, device.enableVector(0));
                assertEquals("gatun-vfio", AdminQueue.identify(device, memory.address()));
                assertEquals(1, InGuest.awaitCount(event));
                device.reserveVectors(List.of());
            }
            try (Mapping ordinary = Mapping.anonymous(4096)) {
                LinuxException moves = assertThrows(
                        LinuxException.class, () -> device.memory().map(ordinary.address(), 4096));
                assertTrue(moves.getMessage().contains("without an IOMMU only hugepages stay"), moves::toString);
            }
            device.reset();
            try (DmaBuffer memory = device.memory().allocate(AdminQueue.BYTES)) {
                assertEquals("gatun-vfio", AdminQueue.identify(device, memory.address()));
            }
            LinuxException inUse = assertThrows(LinuxException.class, () -> BindPlan.unbind(BUS, address));
            assertTrue(inUse.getMessage().contains("/dev/vfio/noiommu-" + BUS.function(address).iommuGroup()),
                    inUse::toString);
        }
        assertEquals(fds, Fd.openCount(), function::toString);
        assertEquals(mappings, Mapping.openCount());
        assertTrue(BindPlan.unbind(BUS, address).execute().hasDriver("nvme"));
    }
}
