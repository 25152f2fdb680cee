package io.gatun.daemon.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.daemon.Main;
import io.gatun.testkit.GuestSuite;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QemuGuest;
import io.gatun.testkit.RequiresPeer;
import java.time.Duration;
import java.util.ArrayList;
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
                .nvme(NvmeProgramTest.MODEL)
                .modules("nvme", driver)
                .hostFiles();
        if (driver.equals("vfio-pci")) {
            builder.iommu().modules("nvme", driver, "vfio_iommu_type1");
        }
        String address = QemuGuest.nvmeAddress(0);
        try (QemuGuest guest = builder.boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 64", STEP);
            List<String> bound = gatun(guest, "pci", "bind", address, "--driver", driver);
            assertTrue(bound.getLast().endsWith("is with " + driver), bound::toString);
            Map<String, String> properties = Map.of(NvmeProgramTest.ADDRESS, address);
            GuestSuite suite = GuestSuite.run(guest, List.of(NvmeProgramTest.class), properties, SUITE);
            assertEquals(1, suite.skipped().size(), () -> "all but bad blocks: " + suite);
            assertEquals(3, suite.passed().size(), suite::toString);
            List<String> back = gatun(guest, "pci", "unbind", address);
            assertTrue(back.getLast().endsWith("is with nvme"), back::toString);
            guest.powerOff();
        }
    }

    /** Runs the program itself, on the guest's own kernel. */
    private static List<String> gatun(QemuGuest guest, String... arguments) {
        List<String> java = new ArrayList<>(List.of(
                "--enable-native-access=ALL-UNNAMED", "-cp", GuestSuite.classPath(), Main.class.getName()));
        java.addAll(List.of(arguments));
        return guest.java(java, STEP).lines();
    }
}
