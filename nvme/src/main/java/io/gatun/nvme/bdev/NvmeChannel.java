package io.gatun.nvme.bdev;

import io.gatun.bdev.BdevChannel;
import io.gatun.bdev.BdevRequest;
import io.gatun.linux.Errno;
import io.gatun.linux.EventFd;
import io.gatun.linux.Fd;
import io.gatun.reactor.Reactor;
import java.util.Arrays;

/**
 * One user's way to a namespace: its requests, and those of them that are done. The work is the queue's, which the
 * channels of one reactor share.
 *
 * <p><b>Thread-safety:</b> one thread, the one that makes it.
 */
final class NvmeChannel extends BdevChannel {
    final NvmeBdev bdev;
    private final Reactor reactor;
    private final ReactorQueue queue;

    /** An epoll instance takes each descriptor once, and channels share the queue's: so each has its own number. */
    private final Fd wake;

    /** Requests that are done and not taken yet: a ring. */
    private BdevRequest[] done = new BdevRequest[64];

    private int doneFirst;
    private int doneCount;
    private int inFlight;
    private boolean closed;

    NvmeChannel(NvmeBdev bdev, Reactor reactor, ReactorQueue queue) {
        this.bdev = bdev;
        this.reactor = reactor;
        this.queue = queue;
        try {
            wake = descriptor(queue.wakeFd());
        } catch (RuntimeException e) {
            bdev.drive().closeQueue(reactor, queue);
            throw e;
        }
    }

    @SuppressWarnings("resource") // the queue's descriptor stays the transport's, and an eventfd is its descriptor
    private static Fd descriptor(int queueFd) {
        // Without interrupts nothing ever signals: arm() keeps the reactor awake instead.
        return queueFd >= 0 ? Fd.owning(queueFd).duplicate() : EventFd.create().fd();
    }

    @Override
    public int submit(BdevRequest request) {
        long offset = request.offsetBytes;
        long length = request.lengthBytes;
        if ((offset | length) < 0 || offset > bdev.capacityBytes() - length) {
            return -Errno.EINVAL;
        }
        int operation = request.operation;
        if (operation == BdevRequest.READ || operation == BdevRequest.WRITE) {
            if (!areWholeBlocks(offset, length)) {
                return -Errno.EINVAL;
            }
            if (length == 0) {
                return 0;
            }
        } else if (operation != BdevRequest.FLUSH && !areWholeBlocks(offset, length)) {
            return -Errno.EINVAL;
        } else {
            int refusal = admit(operation, length);
            if (refusal <= 0) {
                return refusal;
            }
        }
        inFlight++;
        queue.start(this, request);
        return PENDING;
    }

    private boolean areWholeBlocks(long offset, long length) {
        return ((offset | length) & (bdev.blockSizeBytes() - 1)) == 0;
    }

    /** What an operation without data is answered with at once, or {@link #PENDING}. */
    private int admit(int operation, long length) {
        if (operation == BdevRequest.FLUSH) {
            return bdev.writeCache() ? PENDING : 0;
        }
        if (!bdev.supports(operation)) {
            return bdev.readOnly() ? -Errno.EROFS : -Errno.EOPNOTSUPP;
        }
        return length == 0 ? 0 : PENDING;
    }

    /** A request is done. */
    void finish(BdevRequest request, int status) {
        request.status = status;
        if (doneCount == done.length) {
            BdevRequest[] larger = new BdevRequest[2 * doneCount];
            for (int i = 0; i < doneCount; i++) {
                larger[i] = done[(doneFirst + i) & (done.length - 1)];
            }
            done = larger;
            doneFirst = 0;
        }
        done[(doneFirst + doneCount) & (done.length - 1)] = request;
        doneCount++;
    }

    @Override
    public void flush() {
        queue.flush();
    }

    @Override
    public int poll(BdevRequest[] completed) {
        queue.poll();
        int count = Math.min(doneCount, completed.length);
        for (int i = 0; i < count; i++) {
            completed[i] = done[doneFirst];
            doneFirst = (doneFirst + 1) & (done.length - 1);
        }
        doneCount -= count;
        inFlight -= count;
        return count;
    }

    @Override
    public int inFlight() {
        return inFlight;
    }

    @Override
    public boolean arm() {
        return doneCount == 0 && queue.arm();
    }

    @Override
    public void disarm() {
        queue.disarm();
    }

    @Override
    public int wakeFd() {
        return wake.value();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        BdevRequest[] ignored = new BdevRequest[64];
        while (inFlight != 0) {
            // The drive writes to the requests' memory until it is done, or reset: there is no leaving earlier.
            queue.flush();
            if (poll(ignored) == 0) {
                Thread.onSpinWait();
            }
        }
        Arrays.fill(done, null);
        wake.close();
        bdev.drive().closeQueue(reactor, queue);
    }
}
