package io.gatun.nvme;

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
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The host asks for a drive that is in use, and gets it: the kernel's own hot-plug and VFIO, in a guest. */
@RequiresPeer(Peer.GUEST_WITH_HOST_FILES)
class QemuUnplugTest {
    private static final Duration STEP = Duration.ofSeconds(60);
    private static final Duration SUITE = Duration.ofMinutes(4);

    @Test
    void aDriveIsUnpluggedAndPluggedInAgain() throws Exception {
        NvmeModel unplugged =
                NvmeModel.of("unplugged").with(NvmeDisk.ofMegabytes(16)).pluggable();
        QemuGuest.Builder builder = QemuGuest.builder()
                .memoryMegabytes(768)
                .nvme(NvmeModel.of("stays").with(NvmeDisk.ofMegabytes(16)))
                .port(unplugged)
                .iommu()
                .modules("nvme", "vfio-pci", "vfio_iommu_type1")
                .hostFiles();
        try (QemuGuest guest = builder.boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 16", STEP);
            FutureTask<Void> host = new FutureTask<>(() -> {
                guest.awaitLine("the drive is in use", UnplugInGuest.READY_TO_UNPLUG::equals, SUITE);
                guest.unplug(unplugged);
                guest.awaitLine("the drive is away", UnplugInGuest.READY_TO_PLUG::equals, SUITE);
                guest.plug(unplugged);
                return null;
            });
            Thread.ofPlatform().daemon().name("host").start(host);
            Map<String, String> properties = Map.of(
                    UnplugInGuest.UNPLUGGED, QemuGuest.portAddress(), UnplugInGuest.STAYS, QemuGuest.nvmeAddress(0));
            try {
                GuestSuite suite = GuestSuite.run(guest, List.of(UnplugInGuest.class), properties, SUITE);
                if (host.isDone()) {
                    host.get(); // what failed here explains what failed there
                }
                assertEquals(1, suite.passed().size(), suite::toString);
                host.get(1, TimeUnit.SECONDS);
            } finally {
                boolean ignored = host.cancel(true);
            }
            guest.powerOff();
        }
    }
}
