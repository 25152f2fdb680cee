package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** Runs in a guest with an IOMMU and an NVMe controller that has virtual functions; see {@link VfioGuestTest}. */
class VirtualFunctionInGuest {
    private static final PciBus BUS = PciBus.system();
    private static final Path MODE = Path.of("/sys/module/vfio_pci/parameters/enable_sriov");

    @Test
    void aVirtualFunctionIsOpenedWithTheTokenOfItsPhysicalFunction() {
        PciAddress address = BUS.functions().stream()
                .filter(f -> Files.exists(f.directory().resolve("sriov_numvfs")))
                .filter(f -> f.classCode() == PciFunction.CLASS_NVME)
                .findFirst()
                .orElseThrow()
                .address();
        Sysfs.write(MODE, "Y");
        PciFunction physical = BindPlan.bind(BUS, address, "vfio-pci").execute();
        Path count = physical.directory().resolve("sriov_numvfs");
        UUID token = UUID.randomUUID();
        try (VfioContainer container = VfioContainer.open();
                VfioDevice owner = container.open(physical, Optional.of(token));
                VfioContainer other = VfioContainer.open()) {
            assertEquals(0, owner.wantedBack().drain());
            Sysfs.write(count, "1"); // the kernel gives what appears to vfio-pci, as its physical function is
            PciFunction virtual = BUS.function(PciAddress.parse(
                    Sysfs.linkName(physical.directory().resolve("virtfn0")).orElseThrow()));
            assertTrue(virtual.hasDriver("vfio-pci"), virtual::toString);
            for (Optional<UUID> wrong : List.of(Optional.<UUID>empty(), Optional.of(UUID.randomUUID()))) {
                LinuxException refused = assertThrows(LinuxException.class, () -> other.open(virtual, wrong));
                assertEquals(Errno.EACCES, refused.errno(), refused::toString);
                assertTrue(refused.getMessage().contains("give the VF token"), refused::toString);
            }
            try (VfioDevice device = other.open(virtual, Optional.of(token));
                    Bar bar = device.bar(0)) {
                assertEquals(physical.vendorId(), device.config().readShort(ConfigSpace.VENDOR_ID));
                assertFalse(device.isGone());
                assertTrue(device.vectorCount() > 0);
                // The physical function's driver would first have to bring it online: until then it has no version.
                assertEquals(0, bar.readInt(8));
            }
            Sysfs.write(count, "0");
        }
        assertTrue(BindPlan.unbind(BUS, address).execute().hasDriver("nvme"));
    }
}
