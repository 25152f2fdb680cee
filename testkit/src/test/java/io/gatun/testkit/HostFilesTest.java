package io.gatun.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

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

            guest.run("pci_driver " + QemuGuest.nvmeAddress(0) + " vfio-pci", STEP);
            guest.run("pci_driver " + QemuGuest.nvmeAddress(0) + " uio_pci_generic", STEP);
            guest.powerOff();
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
