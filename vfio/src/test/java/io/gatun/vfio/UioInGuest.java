package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.Fd;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.MemoryFile;
import org.junit.jupiter.api.Test;

/** Runs in a guest without an IOMMU, with an NVMe controller and hugepages; see {@link VfioGuestTest}. */
class UioInGuest {
    private static final PciBus BUS = InGuest.BUS;
    private static final long GIBIBYTE = 1 << 30;

    private final PciAddress address = InGuest.nvme().getFirst();

    @Test
    void registersAndDmaWorkByPhysicalAddresses() throws Exception {
        PciFunction function = BindPlan.bind(BUS, address, "uio_pci_generic").execute();
        int fds = Fd.openCount();
        int mappings = Mapping.openCount();
        try (PhysicalSpace memory = new PhysicalSpace();
                UioDevice device = UioDevice.open(function, memory)) {
            assertEquals(0, device.vectorCount());
            try (DmaBuffer own = memory.allocate(AdminQueue.BYTES)) {
                assertEquals("gatun-vfio", AdminQueue.identify(device, own.address()));
            }
            // A guest's, as vhost-user hands it over, on hugepages.
            try (MemoryFile file = MemoryFile.createHuge("guest", 4 << 20, 2 << 20);
                    Mapping guest = file.map()) {
                memory.map(guest.address(), guest.lengthBytes());
                assertEquals("gatun-vfio", AdminQueue.identify(device, guest.address() + (2 << 20)));
                memory.unmap(guest.address());
            }
            assertTrue(device.canReset());
            device.reset();
            int command = device.config().readShort(ConfigSpace.COMMAND);
            int wanted = ConfigSpace.COMMAND_MEMORY | ConfigSpace.COMMAND_BUS_MASTER | ConfigSpace.COMMAND_INTX_DISABLE;
            assertEquals(wanted, command & wanted);
            try (DmaBuffer own = memory.allocate(AdminQueue.BYTES)) {
                assertEquals("gatun-vfio", AdminQueue.identify(device, own.address()));
            }
            LinuxException second = assertThrows(LinuxException.class, () -> UioDevice.open(function, memory));
            assertEquals(Errno.EBUSY, second.errno());
            LinuxException inUse = assertThrows(LinuxException.class, () -> BindPlan.unbind(BUS, address));
            assertTrue(inUse.getMessage().contains("/dev/uio0 is open in"), inUse::toString);
        }
        assertEquals(fds, Fd.openCount());
        assertEquals(mappings, Mapping.openCount());
        assertTrue(BindPlan.unbind(BUS, address).execute().hasDriver("nvme"));
    }

    @Test
    void memoryOnAPageOfAGibibyteIsReachedByItsPhysicalAddress() {
        PciFunction function = BindPlan.bind(BUS, address, "uio_pci_generic").execute();
        try (PhysicalSpace memory = new PhysicalSpace();
                UioDevice device = UioDevice.open(function, memory);
                MemoryFile file = MemoryFile.createHuge("guest", GIBIBYTE, GIBIBYTE);
                Mapping guest = file.map()) {
            memory.map(guest.address(), guest.lengthBytes());
            assertEquals(GIBIBYTE, memory.contiguousBytes(guest.address()));
            long inside = guest.address() + (700 << 20);
            assertEquals(memory.translate(guest.address()) + (700 << 20), memory.translate(inside));
            assertEquals("gatun-vfio", AdminQueue.identify(device, inside));
            memory.unmap(guest.address());
            // A part of the page, as a front-end that shares its memory in pieces.
            memory.map(inside, 64 << 20);
            assertEquals(64 << 20, memory.contiguousBytes(inside));
            assertEquals("gatun-vfio", AdminQueue.identify(device, inside + (63 << 20)));
            memory.unmap(inside);
            try (DmaBuffer own = memory.allocate(AdminQueue.BYTES)) {
                assertEquals("gatun-vfio", AdminQueue.identify(device, own.address()), "beside pages of 2 MiB");
            }
        }
        assertTrue(BindPlan.unbind(BUS, address).execute().hasDriver("nvme"));
    }

    @Test
    void vfioNeedsAnIommu() {
        LinuxException refused =
                assertThrows(LinuxException.class, () -> BindPlan.bind(BUS, address, "vfio-pci"));
        assertTrue(refused.getMessage().contains("no IOMMU"), refused::toString);
        assertTrue(BUS.function(address).hasDriver("nvme"));
    }

    @Test
    void tooFewHugepagesAreNamedWithTheRemedy() {
        try (PhysicalSpace memory = new PhysicalSpace()) {
            LinuxException refused = assertThrows(LinuxException.class, () -> memory.allocate(3L << 30));
            assertTrue(refused.getMessage().contains("nr_hugepages"), refused::toString);
        }
    }
}
