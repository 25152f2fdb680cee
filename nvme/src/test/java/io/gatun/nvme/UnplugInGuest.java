package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.gatun.linux.Errno;
import io.gatun.vfio.BindPlan;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.PciAddress;
import io.gatun.vfio.PciBus;
import io.gatun.vfio.PciFunction;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Runs in a guest with two drives, of which the host unplugs one; see {@link QemuUnplugTest}. */
class UnplugInGuest {
    /** The drives' PCI addresses. */
    static final String UNPLUGGED = "gatun.test.unplugged";

    static final String STAYS = "gatun.test.stays";

    // What the host is told.
    static final String READY_TO_UNPLUG = "READY-TO-UNPLUG";
    static final String READY_TO_PLUG = "READY-TO-PLUG";

    private static final PciBus BUS = PciBus.system();

    private final PciAddress address = PciAddress.parse(System.getProperty(UNPLUGGED));
    private final Path directory = Path.of("/sys/bus/pci/devices", address.toString());

    @Test
    void anUnplugFailsTheIoAndNothingElseAndTheDriveIsTakenWhenItIsBack() throws Exception {
        bind(address);
        PciAddress other = PciAddress.parse(System.getProperty(STAYS));
        bind(other);
        try (NvmeController unplugged =
                        NvmeController.attach(PcieTransport.open(BUS, address), NvmeOptions.DEFAULTS);
                NvmeController stays = NvmeController.attach(PcieTransport.open(BUS, other), NvmeOptions.DEFAULTS);
                DmaBuffer memory = unplugged.memory().allocate(4096);
                IoQueue queue = unplugged.openQueue(null);
                VerifiedIo io = new VerifiedIo(unplugged, unplugged.namespaces().getFirst(), 16, 4096, 0)) {
            Load load = Load.start(stays);
            NvmeNamespace namespace = unplugged.namespaces().getFirst();
            io.write(0, 64, 1);
            System.out.println(READY_TO_UNPLUG);
            Commands commands = new Commands(queue);
            Waiting.until("I/O fails", () -> {
                int status = commands.statusOrErrno(() -> queue.read(namespace, 0, 1, memory.address()));
                boolean failed = status == NvmeStatus.ABORTED_BY_HOST || status == -Errno.ENODEV;
                assertTrue(failed || status == NvmeStatus.SUCCESS, () -> "status " + status);
                return failed;
            });
            Waiting.until("it is gone", unplugged::isGone);
            Waiting.until("the kernel lets go of it", () -> !Files.exists(directory));
            assertEquals(
                    -Errno.ENODEV, commands.statusOrErrno(() -> queue.read(namespace, 0, 1, memory.address())));
            long before = load.acknowledged.get();
            Waiting.until("the other goes on", () -> load.acknowledged.get() > before || load.failed());

            System.out.println(READY_TO_PLUG);
            Waiting.until("the kernel finds it", () -> Files.exists(directory));
            assertTrue(unplugged.isGone(), "it is not taken from the kernel unasked");
            bind(address);
            CompletionBurst none = new CompletionBurst(1);
            Waiting.until("it is taken again", () -> {
                assertEquals(0, io.queue.poll(none));
                return io.queue.isLive();
            });
            assertFalse(unplugged.isGone());
            io.verify(0, 64, 1);
            load.stopAndVerify();
            assertEquals(0, stays.resets());
        }
    }

    private static void bind(PciAddress address) throws InterruptedException {
        // The kernel's driver is still busy with a controller that has just come.
        for (int i = 0; i < 100 && BUS.function(address).driver().isEmpty(); i++) {
            Thread.sleep(50);
        }
        PciFunction bound = BindPlan.bind(BUS, address, "vfio-pci").execute();
        assertTrue(bound.hasDriver("vfio-pci"));
    }
}
