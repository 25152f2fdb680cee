package io.gatun.bdev;

import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import java.util.ArrayList;
import java.util.List;

/** Uses one channel from the test's thread, with buffers of its own. */
final class BdevUser implements AutoCloseable {
    final BdevChannel channel;
    private final Mapping memory;
    private final BdevRequest[] completed = new BdevRequest[16];
    private long next;

    BdevUser(Bdev bdev) {
        this(bdev, 16 << 20);
    }

    BdevUser(Bdev bdev, long memoryBytes) {
        channel = bdev.openChannel(null);
        memory = Mapping.anonymous(memoryBytes);
        next = memory.address();
    }

    /** Takes memory, page-aligned plus {@code misalignment}. */
    long allocate(long bytes, int misalignment) {
        long address = ((next + 4095) & -4096L) + misalignment;
        next = address + bytes;
        if (next > memory.address() + memory.lengthBytes()) {
            throw new IllegalStateException("out of test memory");
        }
        return address;
    }

    void releaseMemory() {
        next = memory.address();
    }

    static BdevRequest request(int operation, long offset, long length) {
        BdevRequest request = new BdevRequest();
        request.operation = operation;
        request.offsetBytes = offset;
        request.lengthBytes = length;
        return request;
    }

    /** A read or write of one buffer. */
    static BdevRequest request(int operation, long offset, long length, long address) {
        BdevRequest request = request(operation, offset, length);
        request.addresses = new long[] {address};
        request.lengths = new int[] {(int) length};
        request.segmentCount = 1;
        return request;
    }

    /** Submits all, and waits for all; their status is set. */
    void run(BdevRequest... requests) {
        List<BdevRequest> pending = new ArrayList<>();
        for (BdevRequest request : requests) {
            int result = channel.submit(request);
            if (result == BdevChannel.PENDING) {
                request.status = 99;
                pending.add(request);
            } else {
                request.status = result;
            }
        }
        channel.flush();
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
        if (channel.inFlight() != 0) {
            throw new IllegalStateException(channel.inFlight() + " in flight after all completed");
        }
    }

    int run(BdevRequest request) {
        run(new BdevRequest[] {request});
        return request.status;
    }

    int write(long offset, byte[] data, int misalignment) {
        long address = allocate(data.length, misalignment);
        Memory.copyFromArray(data, 0, address, data.length);
        return run(request(BdevRequest.WRITE, offset, data.length, address));
    }

    byte[] read(long offset, int length, int misalignment) {
        long address = allocate(length, misalignment);
        int status = run(request(BdevRequest.READ, offset, length, address));
        if (status != 0) {
            throw new IllegalStateException("read: " + status);
        }
        return bytes(address, length);
    }

    static byte[] bytes(long address, int length) {
        byte[] data = new byte[length];
        Memory.copyToArray(address, data, 0, length);
        return data;
    }

    int run(int operation, long offset, long length, boolean unmap) {
        BdevRequest request = request(operation, offset, length);
        request.unmap = unmap;
        return run(request);
    }

    @Override
    public void close() {
        channel.close();
        memory.close();
    }
}
