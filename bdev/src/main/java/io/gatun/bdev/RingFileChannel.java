package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.FileIo;
import io.gatun.linux.IoUring;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;

/**
 * A file through an io_uring of its own: one system call per burst, completions reaped from shared memory.
 *
 * <p>A request is carried out in steps of one operation each: what a step leaves undone (a short read, more segments
 * than one operation takes, a buffer that must be copied for direct I/O, zeros that have to be written) is the next
 * step's. At most {@value #OPERATIONS} requests have an operation; further ones wait in line.
 *
 * <p><b>Thread-safety:</b> one thread, the one that makes it.
 */
final class RingFileChannel extends BdevChannel {
    private static final int OPERATIONS = 256;

    /** Segments of one operation at most; requests with more take several. */
    private static final int IOVECS = 64;

    private static final int IOVEC_BYTES = 16;
    private static final int IOVECS_BYTES = OPERATIONS * IOVECS * IOVEC_BYTES;
    private static final int BOUNCE_BYTES = 128 << 10;
    private static final int ZERO_BYTES = 1 << 20;

    /** Linux transfers less than this at once, whatever is asked for. */
    private static final long MAX_TRANSFER_BYTES = 1 << 30;

    // What the running step of an operation is.
    private static final byte PLAIN = 0;
    private static final byte BOUNCED = 1;
    private static final byte WRITING_ZEROS = 2;
    /** The caller's memory vanished under the copy; the operation is empty. */
    private static final byte FAULTED = 3;

    private final FileImage image;
    private final OpenCount openCount;
    private final IoUring ring;
    private final EventFd event;
    private final int file;

    /** One mapping for all of it: where there is no room, nothing is left over. */
    private final Mapping memory = Mapping.anonymous(IOVECS_BYTES + ZERO_BYTES + OPERATIONS * BOUNCE_BYTES);

    private final long iovecs = memory.address();
    private final long zeros = iovecs + IOVECS_BYTES;

    /** Touched by misaligned direct I/O only. */
    private final long bounce = zeros + ZERO_BYTES;

    private final BdevRequest[] requests = new BdevRequest[OPERATIONS];
    private final byte[] steps = new byte[OPERATIONS];
    private final int[] free = new int[OPERATIONS];
    private int freeCount;

    /** Requests without an operation, in order. */
    private BdevRequest waitingFirst;

    private BdevRequest waitingLast;
    private int waitingCount;

    private boolean closed;

    RingFileChannel(FileImage image, OpenCount openCount) {
        this.image = image;
        this.openCount = openCount;
        EventFd newEvent = null;
        try {
            newEvent = EventFd.create();
            ring = IoUring.create(OPERATIONS, 2 * OPERATIONS);
        } catch (RuntimeException e) {
            // A front-end that comes back while descriptors are short must not cost us memory each time.
            if (newEvent != null) {
                newEvent.close();
            }
            memory.close();
            throw e;
        }
        event = newEvent;
        int result = ring.registerEvent(event);
        if (result < 0) {
            image.log.report("io_uring reports no completions to sleepers: " + Errno.name(result));
        }
        file = ring.registerFiles(image.fd()) < 0 ? image.fd() : IoUring.registeredFile(0);
        for (int i = 0; i < OPERATIONS; i++) {
            free[i] = OPERATIONS - 1 - i;
        }
        freeCount = OPERATIONS;
    }

    @Override
    public int submit(BdevRequest request) {
        int refusal = image.admit(request);
        if (refusal < 0) {
            return refusal;
        }
        if (request.operation == BdevRequest.DISCARD && image.cannotPunchHoles) {
            return 0;
        }
        request.doneBytes = 0;
        if (freeCount == 0) {
            enqueue(request);
        } else {
            start(request);
        }
        return PENDING;
    }

    private void start(BdevRequest request) {
        freeCount--;
        int operation = free[freeCount];
        requests[operation] = request;
        if (image.alignment > 1 && request.segmentCount != 0 && !Segments.aligned(request, image.alignment)) {
            image.bounced.incrementAndGet();
            steps[operation] = BOUNCED;
        } else {
            steps[operation] = PLAIN;
        }
        prepare(operation, request);
    }

    /**
     * Queues the next step. There is room: the ring has an entry for every operation, and each has one step at a time.
     */
    private void prepare(int operation, BdevRequest request) {
        boolean queued =
                switch (request.operation) {
                    case BdevRequest.READ, BdevRequest.WRITE -> prepareTransfer(operation, request);
                    case BdevRequest.FLUSH -> ring.dataSync(file, operation);
                    case BdevRequest.DISCARD -> prepareAllocation(operation, request, true);
                    default ->
                        steps[operation] == WRITING_ZEROS
                                ? prepareZeros(operation, request)
                                : prepareZeroing(operation, request);
                };
        assert queued : "io_uring has fewer entries than operations";
    }

    private boolean prepareTransfer(int operation, BdevRequest request) {
        if (steps[operation] == BOUNCED) {
            return prepareBounce(operation, request);
        }
        long done = request.doneBytes;
        long offset = request.offsetBytes + done;
        boolean read = request.operation == BdevRequest.READ;
        if (request.segmentCount == 1) {
            long address = request.addresses[request.firstSegment] + done;
            int length = (int) Math.min(request.lengthBytes - done, MAX_TRANSFER_BYTES);
            return read
                    ? ring.read(file, address, length, offset, operation)
                    : ring.write(file, address, length, offset, 0, operation);
        }
        long vectors = iovecs + (long) operation * IOVECS * IOVEC_BYTES;
        int count = Segments.iovecs(request, done, vectors, IOVECS);
        return read
                ? ring.readv(file, vectors, count, offset, operation)
                : ring.writev(file, vectors, count, offset, 0, operation);
    }

    private boolean prepareBounce(int operation, BdevRequest request) {
        long done = request.doneBytes;
        long buffer = bounce + (long) operation * BOUNCE_BYTES;
        int length = (int) Math.min(request.lengthBytes - done, BOUNCE_BYTES);
        long offset = request.offsetBytes + done;
        if (request.operation == BdevRequest.READ) {
            return ring.read(file, buffer, length, offset, operation);
        }
        try {
            Segments.gather(request, done, length, buffer);
            Memory.settle();
        } catch (InternalError memoryGone) {
            steps[operation] = FAULTED;
            return ring.nop(operation);
        }
        return ring.write(file, buffer, length, offset, 0, operation);
    }

    private boolean prepareZeroing(int operation, BdevRequest request) {
        boolean punch = request.unmap;
        if (punch ? image.cannotPunchHoles : image.cannotZeroRanges) {
            steps[operation] = WRITING_ZEROS;
            return prepareZeros(operation, request);
        }
        return prepareAllocation(operation, request, punch);
    }

    private boolean prepareAllocation(int operation, BdevRequest request, boolean punch) {
        int mode = punch ? FileIo.FALLOC_FL_PUNCH_HOLE : FileIo.FALLOC_FL_ZERO_RANGE;
        return ring.fallocate(
                file, mode | FileIo.FALLOC_FL_KEEP_SIZE, request.offsetBytes, request.lengthBytes, operation);
    }

    private boolean prepareZeros(int operation, BdevRequest request) {
        long done = request.doneBytes;
        int length = (int) Math.min(request.lengthBytes - done, ZERO_BYTES);
        return ring.write(file, zeros, length, request.offsetBytes + done, 0, operation);
    }

    @Override
    public void flush() {
        if (freeCount != OPERATIONS) {
            // What the kernel does not take now stays queued for the next cycle.
            int ignored = ring.submit();
        }
    }

    @Override
    public int poll(BdevRequest[] completed) {
        int ready = Math.min(ring.peek(), completed.length);
        if (ready == 0) {
            return 0;
        }
        int count = 0;
        int continued = 0;
        for (int i = 0; i < ready; i++) {
            int operation = (int) ring.userData(i);
            BdevRequest request = requests[operation];
            if (request == null) {
                // Taken by a poll that an error of vanished memory cut short before it could advance the ring.
                continue;
            }
            int status = step(operation, request, ring.result(i));
            if (status == PENDING) {
                prepare(operation, request);
                continued++;
            } else {
                request.status = status;
                completed[count] = request;
                count++;
                requests[operation] = null;
                free[freeCount] = operation;
                freeCount++;
            }
        }
        ring.advance(ready);
        while (waitingCount != 0 && freeCount != 0) {
            start(dequeue());
            continued++;
        }
        if (continued != 0) {
            flush();
        }
        return count;
    }

    /** What the result of a step makes of its request: {@link #PENDING} if there is another, 0, or {@code -errno}. */
    private int step(int operation, BdevRequest request, int result) {
        if (steps[operation] == FAULTED) {
            return -Errno.EFAULT;
        }
        int kind = request.operation;
        boolean transfers = kind == BdevRequest.READ || kind == BdevRequest.WRITE || steps[operation] == WRITING_ZEROS;
        if (result > 0 && transfers) {
            if (steps[operation] == BOUNCED && kind == BdevRequest.READ && !scatter(operation, request, result)) {
                return -Errno.EFAULT;
            }
            request.doneBytes += result;
            return request.doneBytes >= request.lengthBytes ? 0 : PENDING;
        }
        if (result == 0) {
            return transfers ? image.endedEarly(request) : 0;
        }
        return retryOrFail(operation, request, result);
    }

    /** Copies what a read brought to the caller's memory; false if that is gone. */
    private boolean scatter(int operation, BdevRequest request, int length) {
        long buffer = bounce + (long) operation * BOUNCE_BYTES;
        try {
            Segments.scatter(request, request.doneBytes, length, buffer);
            Memory.settle();
            return true;
        } catch (InternalError memoryGone) {
            return false;
        }
    }

    private int retryOrFail(int operation, BdevRequest request, int error) {
        if (error == -Errno.EINTR || error == -Errno.EAGAIN) {
            return PENDING;
        }
        if (error == -Errno.EOPNOTSUPP && request.operation == BdevRequest.DISCARD) {
            // Only a hint: a file system without holes keeps the data.
            image.cannotPunchHoles = true;
            return 0;
        }
        if (error == -Errno.EOPNOTSUPP && request.operation == BdevRequest.WRITE_ZEROES) {
            if (request.unmap) {
                image.cannotPunchHoles = true;
            } else {
                image.cannotZeroRanges = true;
            }
            steps[operation] = WRITING_ZEROS;
            return PENDING;
        }
        if (error == -Errno.EINVAL && request.doneBytes != 0 && image.alignment > 1) {
            // Direct I/O stopped in the middle of a block: the end of the file is there.
            return image.endedEarly(request);
        }
        return image.failed(request, error, "");
    }

    private void enqueue(BdevRequest request) {
        request.next = null;
        if (waitingCount == 0) {
            waitingFirst = request;
        } else {
            waitingLast.next = request;
        }
        waitingLast = request;
        waitingCount++;
    }

    private BdevRequest dequeue() {
        BdevRequest request = waitingFirst;
        waitingFirst = request.next;
        request.next = null;
        waitingCount--;
        return request;
    }

    @Override
    public int inFlight() {
        return OPERATIONS - freeCount + waitingCount;
    }

    @Override
    public boolean arm() {
        ring.armEvent();
        // What the kernel would not take at the last flush has to be offered again.
        return ring.peek() == 0 && !ring.hasDeferredWork() && !ring.hasQueued();
    }

    @Override
    public void disarm() {
        ring.disarmEvent();
    }

    @Override
    public int wakeFd() {
        return event.fd().value();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        waitingCount = 0;
        while (freeCount != OPERATIONS) {
            // The kernel writes to the requests' memory until it is done: there is no leaving earlier.
            int ignored = ring.submitAndWait(1);
            int ready = ring.peek();
            ring.advance(ready);
            freeCount += ready;
        }
        ring.close();
        event.close();
        memory.close();
        openCount.close();
    }
}
