package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.testkit.GuestSuite;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QemuGuest;
import io.gatun.testkit.RequiresPeer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tests of {@link QemuDrives} once more, inside Linux guests: real VFIO behind an IOMMU, real UIO. */
@RequiresPeer(Peer.GUEST_WITH_HOST_FILES)
class QemuGuestTest {
    private static final List<Class<?>> SUITE =
            List.of(QemuDataTest.class, QemuCommandTest.class, QemuResetTest.class, QemuChainTest.class);
    private static final Duration STEP = Duration.ofSeconds(60);
    private static final Duration PATIENCE = Duration.ofMinutes(8);

    @ParameterizedTest
    @ValueSource(strings = {"vfio-pci", "uio_pci_generic"})
    void theSameTestsInAGuest(String driver) {
        QemuGuest.Builder builder = guest().modules("nvme", driver);
        if (driver.equals("vfio-pci")) {
            builder.iommu().modules("nvme", driver, "vfio_iommu_type1");
        }
        GuestSuite suite = run(builder, driver, SUITE);
        assertEquals(3, suite.skipped().size(), () -> "all but bad blocks and resets under load: " + suite);
    }

    @Test
    @RequiresPeer(Peer.IOMMUFD_KERNEL)
    void dataAndResetsThroughIommuFd() {
        QemuGuest.Builder builder = guest().iommu().iommuFdKernel().modules("nvme", "vfio-pci", "iommufd");
        GuestSuite suite = run(builder, "vfio-pci", List.of(QemuDataTest.class, QemuResetTest.class), "no_vfio_groups");
        assertTrue(suite.passed().size() >= 8, suite::toString);
    }

    private static QemuGuest.Builder guest() {
        QemuGuest.Builder builder = QemuGuest.builder().memoryMegabytes(1024).hostFiles();
        QemuDrives.MODELS.forEach(builder::nvme);
        return builder;
    }

    private static GuestSuite run(
            QemuGuest.Builder builder, String driver, List<Class<?>> tests, String... lastSteps) {
        List<String> addresses = IntStream.range(0, QemuDrives.MODELS.size())
                .mapToObj(QemuGuest::nvmeAddress)
                .toList();
        try (QemuGuest guest = builder.boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 32", STEP);
            addresses.forEach(address -> guest.run("pci_driver " + address + " " + driver, STEP));
            List.of(lastSteps).forEach(step -> guest.run(step, STEP));
            Map<String, String> properties = Map.of(QemuDrives.ADDRESSES, String.join(",", addresses));
            GuestSuite suite = GuestSuite.run(guest, tests, properties, PATIENCE);
            suite.passed().forEach(test -> System.out.println(driver + ": " + test));
            assertTrue(suite.passed().size() >= tests.size(), suite::toString);
            guest.powerOff();
            return suite;
        }
    }
}
