package io.gatun.nvme.bdev;

import io.gatun.bdev.BdevRequest;
import io.gatun.bdev.Segments;
import io.gatun.linux.Errno;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Memory;
import io.gatun.nvme.CompletionBurst;
import io.gatun.nvme.IoQueue;
import io.gatun.nvme.NvmeController;
import io.gatun.nvme.NvmeNamespace;
import io.gatun.nvme.NvmeStatus;
import io.gatun.reactor.Reactor;

/**
 * Carries out the requests of one reactor's channels on one queue pair.
 *
 * <p>A request becomes as many commands as it takes: each within the controller's limit, within the namespace's
 * optimal boundary, and of memory that can be named in one; they are in flight together. Requests that find no
 * identifier, no bounce buffer or no controller wait in line. A request of which a command came back to be sent again
 * (aborted, or from a reset) starts over once none of its commands is in flight: all are idempotent.
 *
 * <p><b>Thread-safety:</b> one thread, but for {@link #users}, which is the drive's.
 */
final class ReactorQueue implements AutoCloseable {
    private static final int COMPLETIONS_AT_ONCE = 64;
    private static final int EXPECTED_OPERATIONS = 256;
    private static final int MOST_TRIES = 4;
    private static final int BLOCKS_PER_COMMAND = 1 << 16;

    /** Channels that use it. */
    int users;

    private final IoQueue queue;
    private final int maxTransferBytes;
    private final long maxZeroesBytes;
    private final CompletionBurst burst = new CompletionBurst(COMPLETIONS_AT_ONCE);
    private final BounceBuffers bounce;

    // By command identifier.
    private final Operation[] operations;
    private final int[] bounceBuffers;
    private final long[] bounceFrom;
    private final int[] bounceBytes;

    private Operation free;
    private Operation waitingFirst;
    private Operation waitingLast;

    ReactorQueue(NvmeController controller, Reactor reactor) {
        queue = controller.openQueue(reactor);
        maxTransferBytes = queue.maxTransferBytes();
        maxZeroesBytes = controller.maxZeroesBytes();
        bounce = new BounceBuffers(controller.memory());
        operations = new Operation[queue.depth()];
        bounceBuffers = new int[queue.depth()];
        bounceFrom = new long[queue.depth()];
        bounceBytes = new int[queue.depth()];
        java.util.Arrays.fill(bounceBuffers, BounceBuffers.NONE);
        for (int i = 0; i < EXPECTED_OPERATIONS; i++) {
            release(new Operation());
        }
    }

    int wakeFd() {
        return queue.wakeFd();
    }

    /** Takes a request whose range was checked. */
    void start(NvmeChannel channel, BdevRequest request) {
        Operation operation = free;
        if (operation == null) {
            operation = new Operation(); // kept: more requests at a time than ever before
        } else {
            free = operation.next;
        }
        operation.begin(channel, request);
        if (waitingFirst != null || !issue(operation)) {
            enqueue(operation);
        }
    }

    void flush() {
        queue.flush();
    }

    /** Takes what has completed to its channel, and starts what has been waiting. */
    void poll() {
        int count = queue.poll(burst);
        for (int i = 0; i < count; i++) {
            complete(burst.identifiers[i], burst.statuses[i]);
        }
        if (waitingFirst != null) {
            startWaiting();
        }
    }

    private void startWaiting() {
        boolean started = false;
        while (waitingFirst != null) {
            Operation operation = waitingFirst;
            waitingFirst = operation.next;
            operation.waiting = false;
            if (!issue(operation)) {
                putBack(operation);
                break;
            }
            started = true;
        }
        if (started) {
            queue.flush();
        }
    }

    /** It goes on waiting, as the first. */
    private void putBack(Operation operation) {
        operation.waiting = true;
        operation.next = waitingFirst;
        if (waitingFirst == null) {
            waitingLast = operation;
        }
        waitingFirst = operation;
    }

    /** Starts commands for the rest of an operation; false if it has to wait before all are started. */
    private boolean issue(Operation operation) {
        BdevRequest request = operation.request;
        if (!operation.channel.bdev.isUsable()) {
            operation.status = -Errno.EIO;
        }
        boolean all =
                switch (request.operation) {
                    case BdevRequest.READ, BdevRequest.WRITE -> transfer(operation, request);
                    case BdevRequest.FLUSH -> flushCache(operation);
                    case BdevRequest.DISCARD -> deallocate(operation, request);
                    default -> zero(operation, request);
                };
        if (all && operation.commands == 0) {
            // It failed before any of its commands was sent.
            finish(operation);
        }
        return all;
    }

    private static NvmeNamespace namespace(Operation operation) {
        return operation.channel.bdev.namespace;
    }

    /**
     * Counts a command that was started for {@code bytes}; false if there was no identifier for it. Any other refusal
     * ends the operation.
     */
    private boolean command(Operation operation, int identifier, long bytes) {
        if (identifier >= 0) {
            operations[identifier] = operation;
            operation.commands++;
            operation.startedBytes += bytes;
            return true;
        }
        if (identifier == -Errno.EAGAIN) {
            return false;
        }
        operation.status = identifier == -Errno.ENODEV ? -Errno.EIO : identifier;
        return true;
    }

    private boolean flushCache(Operation operation) {
        return operation.status != 0 || command(operation, queue.flushCache(namespace(operation)), 0);
    }

    private boolean transfer(Operation operation, BdevRequest request) {
        NvmeBdev bdev = operation.channel.bdev;
        long length = request.lengthBytes;
        while (operation.startedBytes < length && operation.status == 0) {
            int identifier = queue.take();
            if (identifier < 0) {
                if (!command(operation, identifier, 0)) {
                    return false;
                }
            } else if (!transfer(operation, request, bdev, identifier)) {
                queue.release(identifier);
                return false;
            }
        }
        return true;
    }

    /** Starts one command of a read or write; false if it needs a bounce buffer and there is none. */
    private boolean transfer(Operation operation, BdevRequest request, NvmeBdev bdev, int identifier) {
        long offset = request.offsetBytes + operation.startedBytes;
        int shift = bdev.blockShift;
        int wanted = (int) Math.min(request.lengthBytes - operation.startedBytes, maxTransferBytes);
        long boundary = bdev.boundaryBytes();
        if (boundary != 0) {
            wanted = (int) Math.min(wanted, boundary - offset % boundary);
        }
        int end = request.firstSegment + request.segmentCount;
        int bytes = queue.point(
                identifier,
                request.addresses,
                request.lengths,
                operation.segment,
                end,
                operation.skip,
                wanted,
                1 << shift);
        if (bytes == 0) {
            bytes = copied(operation, request, bdev, identifier, Math.min(wanted, BounceBuffers.BYTES));
            if (bytes <= 0) {
                return bytes == 0;
            }
        }
        boolean write = request.operation == BdevRequest.WRITE;
        queue.send(identifier, write, bdev.namespace.id(), offset >>> shift, bytes >>> shift);
        operations[identifier] = operation;
        operation.commands++;
        operation.advance(bytes);
        return true;
    }

    /**
     * Points a command at a bounce buffer instead, with the data of a write in it.
     *
     * @return the bytes that it takes; 0 if the operation has failed (the identifier is given back); -1 if there is no
     *     buffer
     */
    private int copied(Operation operation, BdevRequest request, NvmeBdev bdev, int identifier, int bytes) {
        int buffer;
        try {
            buffer = bounce.take();
        } catch (LinuxException e) {
            bdev.log.report(e.getMessage());
            queue.release(identifier);
            operation.status = -Errno.ENOMEM;
            return 0;
        }
        if (buffer == BounceBuffers.NONE) {
            return -1;
        }
        bdev.bounced.incrementAndGet();
        long address = bounce.address(buffer);
        if (request.operation == BdevRequest.WRITE && !gather(operation, request, bytes, address)) {
            bounce.give(buffer);
            queue.release(identifier);
            operation.status = -Errno.EFAULT;
            return 0;
        }
        boolean named = queue.point(identifier, address, bytes);
        assert named : "a bounce buffer that the drive does not reach";
        bounceBuffers[identifier] = buffer;
        bounceFrom[identifier] = operation.startedBytes;
        bounceBytes[identifier] = bytes;
        return bytes;
    }

    /** Copies out of the caller's memory; false if that is gone. */
    private static boolean gather(Operation operation, BdevRequest request, int bytes, long address) {
        try {
            Segments.gather(request, operation.startedBytes, bytes, address);
            Memory.settle();
            return true;
        } catch (InternalError memoryGone) {
            return false;
        }
    }

    private boolean deallocate(Operation operation, BdevRequest request) {
        int shift = operation.channel.bdev.blockShift;
        long most = 0xffff_ffffL << shift;
        boolean started = true;
        while (started && operation.startedBytes < request.lengthBytes && operation.status == 0) {
            long offset = request.offsetBytes + operation.startedBytes;
            long bytes = Math.min(request.lengthBytes - operation.startedBytes, most);
            int identifier = queue.deallocate(namespace(operation), offset >>> shift, bytes >>> shift);
            started = command(operation, identifier, bytes);
        }
        return started;
    }

    private boolean zero(Operation operation, BdevRequest request) {
        int shift = operation.channel.bdev.blockShift;
        long most = Math.min((long) BLOCKS_PER_COMMAND << shift, maxZeroesBytes);
        boolean started = true;
        while (started && operation.startedBytes < request.lengthBytes && operation.status == 0) {
            long offset = request.offsetBytes + operation.startedBytes;
            long bytes = Math.min(request.lengthBytes - operation.startedBytes, most);
            int blocks = (int) (bytes >>> shift);
            int identifier = queue.writeZeroes(namespace(operation), offset >>> shift, blocks, request.unmap);
            started = command(operation, identifier, bytes);
        }
        return started;
    }

    private void complete(int identifier, int status) {
        Operation operation = operations[identifier];
        operations[identifier] = null;
        int buffer = bounceBuffers[identifier];
        if (buffer != BounceBuffers.NONE) {
            bounceBuffers[identifier] = BounceBuffers.NONE;
            if (NvmeStatus.code(status) == NvmeStatus.SUCCESS) {
                scatter(operation, identifier, bounce.address(buffer));
            }
            bounce.give(buffer);
        }
        queue.release(identifier);
        operation.commands--;
        if (NvmeStatus.code(status) != NvmeStatus.SUCCESS) {
            failed(operation, status);
        }
        if (operation.commands == 0 && !operation.waiting && (operation.status != 0 || isStarted(operation))) {
            finish(operation);
        }
    }

    /** Copies what a read brought to the caller's memory. */
    private void scatter(Operation operation, int identifier, long address) {
        if (operation.request.operation != BdevRequest.READ) {
            return;
        }
        try {
            Segments.scatter(operation.request, bounceFrom[identifier], bounceBytes[identifier], address);
            Memory.settle();
        } catch (InternalError memoryGone) {
            operation.status = -Errno.EFAULT;
        }
    }

    private static boolean isStarted(Operation operation) {
        return operation.startedBytes == operation.request.lengthBytes;
    }

    private void failed(Operation operation, int status) {
        if (NvmeStatus.isRetryable(status) && operation.tries < MOST_TRIES) {
            operation.again = true;
            return;
        }
        BdevRequest request = operation.request;
        operation.channel.bdev.log.report(() -> BdevRequest.operationName(request.operation) + " of "
                + request.lengthBytes + " bytes at " + request.offsetBytes + ": " + NvmeStatus.describe(status));
        operation.status = NvmeStatus.toErrno(status);
    }

    /** No command of the operation is in flight, and none is to be started: unless all are, once more. */
    private void finish(Operation operation) {
        if (operation.status == 0 && operation.again) {
            operation.tries++;
            operation.rewind();
            enqueue(operation);
            return;
        }
        operation.channel.finish(operation.request, operation.status);
        release(operation);
    }

    private void enqueue(Operation operation) {
        operation.waiting = true;
        operation.next = null;
        if (waitingFirst == null) {
            waitingFirst = operation;
        } else {
            waitingLast.next = operation;
        }
        waitingLast = operation;
    }

    private void release(Operation operation) {
        operation.channel = null;
        operation.request = null;
        operation.next = free;
        free = operation;
    }

    /** Whether the reactor may sleep: what will come wakes it. */
    boolean arm() {
        if (waitingFirst != null && (queue.isLive() || queue.isDown())) {
            return false;
        }
        return queue.arm();
    }

    void disarm() {
        queue.disarm();
    }

    /** Nothing is in flight any more. */
    @Override
    public void close() {
        queue.close();
        bounce.close();
    }
}
