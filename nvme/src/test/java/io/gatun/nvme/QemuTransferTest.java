package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Memory;
import io.gatun.nvme.bdev.NvmeDrive;
import io.gatun.testkit.NvmeDisk;
import io.gatun.testkit.NvmeModel;
import io.gatun.testkit.Peer;
import io.gatun.testkit.QtestMachine;
import io.gatun.testkit.RequiresPeer;
import io.gatun.vfio.DmaBuffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Drives that take more in one command than one page of PRP entries names, or any amount. */
@RequiresPeer(Peer.QEMU)
class QemuTransferTest {
    private static final int OUR_LIMIT = 2 << 20;
    private static final int REQUEST_BYTES = 5 << 20;

    @ParameterizedTest
    @ValueSource(ints = {0, 10})
    void largerRequestsAreCutAtOurOwnLimit(int mdts) {
        NvmeModel model = NvmeModel.of("wide").withProperty("mdts=" + mdts).with(NvmeDisk.ofMegabytes(64));
        try (QtestMachine machine = QtestMachine.builder()
                        .memoryMegabytes(128)
                        .controller(model)
                        .start();
                NvmeDrive drive = new NvmeDrive(
                        "nv0", NvmeController.attach(new QtestTransport(machine, 0), NvmeOptions.DEFAULTS))) {
            NvmeController controller = drive.controller();
            assertEquals(OUR_LIMIT, controller.maxTransferBytes());
            NvmeNamespace namespace = controller.namespaces().getFirst();
            for (int misaligned : new int[] {0, 512, 4092}) {
                try (VerifiedIo io = new VerifiedIo(controller, namespace, 4, REQUEST_BYTES, misaligned)) {
                    io.write(0, 8, misaligned + 1);
                    io.verify(0, 8, misaligned + 1);
                }
            }
            try (DmaBuffer memory = controller.memory().allocate(REQUEST_BYTES);
                    BdevChannel channel = drive.bdevs().getFirst().openChannel(null)) {
                read(channel, memory.address());
                byte[] found = new byte[REQUEST_BYTES];
                byte[] expected = new byte[REQUEST_BYTES];
                Memory.copyToArray(memory.address(), found, 0, REQUEST_BYTES);
                VerifiedIo.fill(expected, REQUEST_BYTES, 4093);
                assertArrayEquals(expected, found);
            }
        }
    }

    /** One request of a block device for the second of the blocks that were written. */
    private static void read(BdevChannel channel, long address) {
        BdevRequest request = new BdevRequest();
        request.operation = BdevRequest.READ;
        request.offsetBytes = REQUEST_BYTES;
        request.lengthBytes = REQUEST_BYTES;
        request.addresses = new long[] {address};
        request.lengths = new int[] {REQUEST_BYTES};
        request.segmentCount = 1;
        request.status = 1;
        assertEquals(BdevChannel.PENDING, channel.submit(request));
        channel.flush();
        BdevRequest[] done = new BdevRequest[1];
        Waiting.until("the request is done", () -> channel.poll(done) == 1);
        assertEquals(0, request.status);
    }
}
