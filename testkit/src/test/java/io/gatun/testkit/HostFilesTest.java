package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@RequiresPeer(Peer.GUEST_WITH_HOST_FILES)
class HostFilesTest {
    private static final Duration STEP = Duration.ofSeconds(60);

    /** Runs in the guest. */
    static final class Probe {
        public static void main(String[] arguments) {
            Path function = Path.of("/sys/bus/pci/devices", arguments[0]);
            System.out.println("VERSION=" + Runtime.version().feature());
            System.out.println("ARGUMENT=" + arguments[1]);
            System.out.println("GROUP=" + Files.exists(function.resolve("iommu_group")));
            System.exit(Integer.parseInt(arguments[2]));
        }
    }

    /** Runs in the guest. */
    static class Sample {
        @Test
        void runsInTheGuest() {
            assertTrue(Files.exists(Path.of("/sys/bus/pci/devices", QemuGuest.nvmeAddress(0))));
            assertEquals("a b", System.getProperty("sample.text"));
        }

        @Test
        void isSkipped() {
            assumeTrue(false, "for a reason");
        }

        @ParameterizedTest
        @ValueSource(strings = {"one", "two"})
        void mayFail(String text) {
            assertNotEquals(System.getProperty("sample.failure"), text, "as it was told");
        }
    }

    @Test
    void guestRunsTheHostsJavaBesideAnNvmeControllerBehindAnIommu() {
        try (QemuGuest guest = QemuGuest.builder()
                .memoryMegabytes(768)
                .iommu()
                .nvme(NvmeModel.of("one").with(NvmeDisk.ofMegabytes(8)))
                .modules("nvme", "vfio-pci", "vfio_iommu_type1", "uio_pci_generic")
                .hostFiles()
                .boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 8", STEP);
            QemuGuest.StepResult probe = guest.java(probe("0"), STEP);
            assertEquals(Runtime.version().feature(), probe.number("VERSION"));
            assertEquals("a \"b\" \\c", probe.value("ARGUMENT"));
            assertEquals("true", probe.value("GROUP"));
            AssertionError failure = assertThrows(AssertionError.class, () -> guest.java(probe("3"), STEP));
            assertTrue(failure.getMessage().contains("rc=3"), failure::getMessage);

            GuestSuite suite = GuestSuite.run(guest, List.of(Sample.class), Map.of("sample.text", "a b"), STEP);
            assertEquals(3, suite.passed().size(), suite::toString);
            assertEquals(1, suite.skipped().size(), suite::toString);
            assertTrue(suite.skipped().getFirst().contains("for a reason"), suite::toString);

            guest.run("pci_driver " + QemuGuest.nvmeAddress(0) + " vfio-pci", STEP);
            guest.run("pci_driver " + QemuGuest.nvmeAddress(0) + " uio_pci_generic", STEP);
            guest.powerOff();
        }
    }

    @Test
    void suiteWithAFailureFails() {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = List.of(
                java,
                "-Dsample.failure=two",
                "-cp",
                GuestSuite.classPath(),
                SuiteRunner.class.getName(),
                Sample.class.getName());
        try (PeerProcess suite = PeerProcess.start("suite", command)) {
            assertEquals(1, suite.awaitExit(STEP));
            suite.output().awaitEnd(STEP);
            String said = suite.output().tail(1000);
            assertTrue(said.contains("SUITE-PASSED Sample.mayFail [1] one"), said);
            assertTrue(said.contains("SUITE-FAILED Sample.mayFail [2] two: "), said);
            assertTrue(said.contains("as it was told"), said);
            assertTrue(said.contains("SUITE-FAILED Sample.runsInTheGuest: "), said);
            assertTrue(said.contains("SUITE-SKIPPED Sample.isSkipped: "), said);
        }
    }

    private static List<String> probe(String status) {
        return List.of(
                "-Xmx64m",
                "-cp",
                Path.of(HostFilesTest.class.getProtectionDomain().getCodeSource().getLocation().getPath()).toString(),
                Probe.class.getName(),
                QemuGuest.nvmeAddress(0),
                "a \"b\" \\c",
                status);
    }
}
