package io.gatun.nvme.bdev;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeOptions;
import io.gatun.nvme.software.BentController;
import io.gatun.nvme.software.SoftwareMemory;
import io.gatun.nvme.software.SoftwareNamespace;
import io.gatun.nvme.software.SoftwareOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A drive in memory with one block device of each block size, and a channel to either, used from the test's thread. */
final class DriveUser implements AutoCloseable {
    static final long BYTES = 8 << 20;
    static final NvmeOptions QUICK = NvmeOptions.DEFAULTS
            .withTick(Duration.ofMillis(5))
            .withTimeouts(Duration.ofMillis(60), Duration.ofSeconds(2))
            .withFailAfter(Duration.ofMillis(300));

    final List<SoftwareNamespace> media = List.of(
            SoftwareNamespace.ofMemory(BYTES, 9), SoftwareNamespace.ofMemory(BYTES, 12));
    final BentController model;
    final NvmeDrive drive;
    final Mapping memory = Mapping.anonymous(16 << 20);
    private final List<BdevChannel> channels = new ArrayList<>();
    private final BdevRequest[] completed = new BdevRequest[16];

    DriveUser(SoftwareOptions options, NvmeOptions driver) {
        this(options, driver, (_, _, _) -> {});
    }

    DriveUser(SoftwareOptions options, NvmeOptions driver, BentController.Identity identity) {
        model = new BentController(new SoftwareMemory(false), options, media);
        model.identity = identity;
        drive = new NvmeDrive("nv0", NvmeController.attach(model, driver));
        for (NvmeBdev bdev : drive.bdevs()) {
            channels.add(bdev.openChannel(null));
        }
    }

    NvmeBdev bdev(int index) {
        return drive.bdevs().get(index);
    }

    BdevChannel channel(int index) {
        return channels.get(index);
    }

    /** Lets the drive reach the test's memory, as that of a front-end. */
    void share() {
        bdev(0).memoryAdded(memory.address(), memory.lengthBytes());
    }

    static BdevRequest request(int operation, long offset, long[] addresses, int... lengths) {
        BdevRequest request = new BdevRequest();
        request.operation = operation;
        request.offsetBytes = offset;
        request.addresses = addresses;
        request.lengths = lengths;
        request.segmentCount = lengths.length;
        for (int length : lengths) {
            request.lengthBytes += length;
        }
        return request;
    }

    static BdevRequest range(int operation, long offset, long length) {
        BdevRequest request = new BdevRequest();
        request.operation = operation;
        request.offsetBytes = offset;
        request.lengthBytes = length;
        return request;
    }

    /** Submits all to one channel and waits for all; their status is set. */
    void run(int index, BdevRequest... requests) {
        BdevChannel channel = channels.get(index);
        List<BdevRequest> pending = new ArrayList<>();
        for (BdevRequest request : requests) {
            request.status = 99;
            int result = channel.submit(request);
            if (result == BdevChannel.PENDING) {
                pending.add(request);
            } else {
                request.status = result;
            }
        }
        channel.flush();
        finish(channel, pending);
    }

    int status(int index, BdevRequest request) {
        run(index, request);
        return request.status;
    }

    void finish(BdevChannel channel, List<BdevRequest> pending) {
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (!pending.isEmpty()) {
            int count = channel.poll(completed);
            for (int i = 0; i < count; i++) {
                if (!pending.remove(completed[i])) {
                    throw new IllegalStateException("a request completed twice, or was never submitted");
                }
            }
            channel.flush();
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException(pending.size() + " requests never completed");
            }
        }
    }

    static void fill(long address, int bytes, int seed) {
        for (int i = 0; i < bytes; i += 4) {
            Memory.putInt(address + i, seed * 31 + i);
        }
    }

    static byte[] bytes(long address, int bytes) {
        byte[] data = new byte[bytes];
        Memory.copyToArray(address, data, 0, bytes);
        return data;
    }

    static long firstBlock(Bdev bdev) {
        return 16L * bdev.blockSizeBytes();
    }

    @Override
    public void close() {
        channels.forEach(BdevChannel::close);
        drive.close();
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!model.isClosed()) {
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException("the transport was never closed");
            }
            Thread.onSpinWait();
        }
        media.forEach(SoftwareNamespace::close);
        memory.close();
    }
}
