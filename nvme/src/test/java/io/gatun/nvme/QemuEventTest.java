package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Memory;
import io.gatun.nvme.bdev.NvmeBdev;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What QEMU's model reports by itself. */
@RequiresPeer(Peer.QEMU)
class QemuEventTest {
    private static final int NAMESPACE_ATTACHMENT = 0x15;
    private static final int ATTACH = 0;
    private static final int DETACH = 1;

    @Test
    void criticalWarningsAreEventsAndInTheHealthLog() {
        NvmeModel model = NvmeModel.of("worn").with(NvmeDisk.ofMegabytes(16));
        try (QtestMachine machine = QtestMachine.builder().controller(model).start();
                NvmeController controller =
                        NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS)) {
            assertEquals("nothing is wrong", controller.health().warnings());
            // Bits of the critical warning (Base figure 207): spare, reliability, read-only. Each new one is an event.
            int events = 0;
            for (int warning : new int[] {1, 1 | 4, 1 | 4 | 8}) {
                warn(machine, warning);
                int wanted = ++events;
                Waiting.until("an event", () -> controller.events() >= wanted);
                assertEquals(warning, controller.health().criticalWarning());
                assertFalse(controller.health().warnings().isEmpty());
            }
            warn(machine, 0);
            assertEquals("nothing is wrong", controller.health().warnings());
        }
    }

    private static void warn(QtestMachine machine, int warning) {
        Map<String, Object> property =
                Map.of("path", "/machine/peripheral/worn", "property", "smart_critical_warning", "value", warning);
        assertTrue(machine.qmp().execute("qom-set", property).isEmpty());
    }

    @Test
    void namespacesComeAndGoAsBlockDevices() {
        NvmeModel model = NvmeModel.of("shared")
                .withProperty("subsys=subsystem")
                .with(NvmeDisk.ofMegabytes(16))
                .with(NvmeDisk.ofMegabytes(16).withProperty("detached=on"));
        try (QtestMachine machine = QtestMachine.builder()
                        .arguments("-device", "nvme-subsys,id=subsystem")
                        .controller(model)
                        .start();
                NvmeDrive drive = new NvmeDrive(
                        "nv0", NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS))) {
            AtomicInteger changes = new AtomicInteger();
            drive.onChange(changes::incrementAndGet);
            assertEquals(List.of("nv0n1"), usable(drive));
            attachment(drive.controller(), ATTACH, 2);
            Waiting.until("the second is there", () -> usable(drive).equals(List.of("nv0n1", "nv0n2")));
            NvmeBdev second = drive.bdevs().get(1);
            try (VerifiedIo io = new VerifiedIo(drive.controller(), second.namespace(), 4, 4096, 0)) {
                io.write(0, 16, 1);
            }
            attachment(drive.controller(), DETACH, 2);
            Waiting.until("it is gone", () -> usable(drive).equals(List.of("nv0n1")));
            attachment(drive.controller(), ATTACH, 2);
            Waiting.until("it is the same one", second::isUsable);
            try (VerifiedIo io = new VerifiedIo(drive.controller(), second.namespace(), 4, 4096, 0)) {
                io.verify(0, 16, 1);
            }
            Waiting.until("listeners were told each time", () -> changes.get() == 3);
            assertEquals(0, drive.controller().resets());
        }
    }

    private static List<String> usable(NvmeDrive drive) {
        return drive.bdevs().stream().filter(NvmeBdev::isUsable).map(NvmeBdev::name).toList();
    }

    /** Namespace Attachment (Base §5.13), as an administrator sends it, of this controller. */
    private static void attachment(NvmeController controller, int what, int namespace) {
        try (DmaBuffer list = controller.memory().allocate(DmaSpace.PAGE_BYTES)) {
            Memory.putInt(list.address(), 1 | controller.data().controllerId() << 16);
            AdminCommand command = new AdminCommand(NAMESPACE_ATTACHMENT)
                    .namespace(namespace)
                    .prp(controller.memory().translate(list.address()), 0)
                    .words(what, 0);
            assertEquals(0, controller.execute("namespace attachment", command));
        }
    }
}
