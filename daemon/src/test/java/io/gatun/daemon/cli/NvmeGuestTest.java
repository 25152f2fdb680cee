package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.testkit.GuestSuite;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QemuGuest;
import io.gatun.testkit.RequiresPeer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The program with a drive: QEMU's NVMe controller, in a guest of its own that gives it away. */
@RequiresPeer(Peer.GUEST_WITH_HOST_FILES)
class NvmeGuestTest {
    private static final Duration STEP = Duration.ofSeconds(60);
    private static final Duration SUITE = Duration.ofMinutes(4);

    @ParameterizedTest
    @ValueSource(strings = {"vfio-pci", "uio_pci_generic"})
    void commandsAndTheWholeChain(String driver) {
        QemuGuest.Builder builder = QemuGuest.builder()
                .memoryMegabytes(1024)
                .nvme(NvmeModel.of("gatun-daemon").with(NvmeDisk.ofMegabytes(32)))
                .modules("nvme", driver)
                .hostFiles();
        if (driver.equals("vfio-pci")) {
            builder.iommu().modules("nvme", driver, "vfio_iommu_type1");
        }
        String address = QemuGuest.nvmeAddress(0);
        try (QemuGuest guest = builder.boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 64", STEP);
            guest.run("pci_driver " + address + " " + driver, STEP);
            Map<String, String> properties = Map.of(NvmeInGuest.ADDRESS, address);
            GuestSuite suite = GuestSuite.run(guest, List.of(NvmeInGuest.class), properties, SUITE);
            assertEquals(3, suite.passed().size(), suite::toString);
            guest.powerOff();
        }
    }
}
