package io.gatun.vfio;

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
import org.junit.jupiter.api.Test;

/** The kernel's own VFIO, UIO and IOMMU, in a guest beside QEMU's NVMe controller. */
@RequiresPeer(Peer.GUEST_WITH_HOST_FILES)
class VfioGuestTest {
    private static final Duration STEP = Duration.ofSeconds(60);
    private static final Duration SUITE = Duration.ofMinutes(5);

    @Test
    void throughVfioBehindAnIommu() {
        QemuGuest.Builder guest = withGigabytePage(guest())
                .iommu()
                .modules("nvme", "vfio-pci", "vfio_iommu_type1", "uio_pci_generic");
        GuestSuite suite = run(guest, VfioInGuest.class);
        assertEquals(8, suite.passed().size(), suite::toString);
    }

    @Test
    void throughUioByPhysicalAddresses() {
        QemuGuest.Builder guest = withGigabytePage(guest()).modules("nvme", "vfio-pci", "uio_pci_generic");
        GuestSuite suite = run(guest, UioInGuest.class);
        assertEquals(4, suite.passed().size(), suite::toString);
    }

    @Test
    @RequiresPeer(Peer.IOMMUFD_KERNEL)
    void throughIommuFd() {
        QemuGuest.Builder guest = guest()
                .nvme(NvmeModel.of("gatun-second").with(NvmeDisk.ofMegabytes(16)))
                .iommu()
                .iommuFdKernel()
                .modules("nvme", "vfio-pci", "iommufd");
        GuestSuite suite = run(guest, IommuFdInGuest.class);
        assertEquals(6, suite.passed().size(), suite::toString);
    }

    @Test
    @RequiresPeer(Peer.IOMMUFD_KERNEL)
    void throughVfioWithoutAnIommu() {
        QemuGuest.Builder guest = guest().iommuFdKernel().modules("nvme", "vfio-pci", "vfio_iommu_type1");
        GuestSuite suite = run(guest, NoIommuInGuest.class);
        assertEquals(1, suite.passed().size(), suite::toString);
    }

    private static QemuGuest.Builder guest() {
        return QemuGuest.builder()
                .memoryMegabytes(768)
                .nvme(NvmeModel.of("gatun-vfio").with(NvmeDisk.ofMegabytes(16)))
                .hostFiles();
    }

    /** One hugepage of 1 GiB. Below 4 GiB, where the first two lie, the kernel's own things are in the way. */
    private static QemuGuest.Builder withGigabytePage(QemuGuest.Builder guest) {
        return guest.memoryMegabytes(3584)
                .arguments("-cpu", "qemu64,+pdpe1gb")
                .kernelArguments("hugepagesz=1G hugepages=1");
    }

    @Test
    void tokensOfVirtualFunctions() {
        QemuGuest.Builder guest = guest()
                .iommu()
                .arguments(
                        "-device", "pcie-root-port,id=port2,chassis=2,slot=2,addr=1d.0",
                        "-device", "nvme-subsys,id=subsystem",
                        "-device", "nvme,serial=gatun-physical,subsys=subsystem,bus=port2,sriov_max_vfs=1"
                                + ",sriov_vq_flexible=2,sriov_vi_flexible=1")
                .modules("nvme", "vfio-pci", "vfio_iommu_type1");
        GuestSuite suite = run(guest, VirtualFunctionInGuest.class);
        assertEquals(1, suite.passed().size(), suite::toString);
    }

    private static GuestSuite run(QemuGuest.Builder builder, Class<?> tests) {
        try (QemuGuest guest = builder.boot()) {
            guest.run("host_files", STEP);
            guest.run("huge_pages 8", STEP);
            GuestSuite suite = GuestSuite.run(guest, List.of(tests), Map.of(), SUITE);
            guest.powerOff();
            return suite;
        }
    }
}
