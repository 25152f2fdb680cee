package io.gatun.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import io.gatun.linux.Errno;
import io.gatun.linux.Memory;
import io.gatun.vfio.DmaBuffer;
import io.gatun.vfio.DmaSpace;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;

/**
 * Writes and reads a namespace through one queue pair, many requests at a time, and looks at every byte: each eight of
 * them say which place of the namespace they are for and which generation of it. A request may be larger than a command
 * can be.
 *
 * <p><b>Thread-safety:</b> one thread.
 */
final class VerifiedIo implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    final IoQueue queue;
    final NvmeNamespace namespace;
    private final int requests;
    private final int requestBytes;
    private final DmaBuffer memory;
    private final long[] buffers;
    private final byte[] expected;
    private final byte[] found;
    private final CompletionBurst burst = new CompletionBurst(32);

    // By slot: what a request is for, and how many of its commands have not completed.
    private final long[] offsets;
    private final int[] unsent;
    private final int[] pending;

    /** By slot: a command was aborted, so that the request starts over once nothing of it is pending. */
    private final boolean[] again;

    /** By identifier of a command. */
    private final int[] slotOf;

    private boolean resend;
    private long resent;
    private long progressNanos;

    /**
     * @param requests how many are in flight at a time
     * @param requestBytes a multiple of the namespace's blocks
     * @param misaligned where in a page the memory of a request starts, a multiple of 4
     */
    VerifiedIo(NvmeController controller, NvmeNamespace namespace, int requests, int requestBytes, int misaligned) {
        this.namespace = namespace;
        this.requests = requests;
        this.requestBytes = requestBytes;
        queue = open(controller);
        long stride = (misaligned + requestBytes + DmaSpace.PAGE_BYTES - 1) & -DmaSpace.PAGE_BYTES;
        memory = controller.memory().allocate(stride * requests);
        buffers = new long[requests];
        Arrays.setAll(buffers, i -> memory.address() + i * stride + misaligned);
        expected = new byte[requestBytes];
        found = new byte[requestBytes];
        offsets = new long[requests];
        unsent = new int[requests];
        pending = new int[requests];
        slotOf = new int[queue.depth()];
        again = new boolean[requests];
    }

    /** Opens a queue pair; those that were closed before are free again soon. */
    static IoQueue open(NvmeController controller) {
        IoQueue[] opened = {null};
        Waiting.until("a queue pair is free", () -> {
            try {
                opened[0] = controller.openQueue(null);
                return true;
            } catch (NvmeException allInUse) {
                return false;
            }
        });
        return opened[0];
    }

    /** Starts requests over of which a reset has aborted a command, instead of failing. */
    VerifiedIo resending() {
        resend = true;
        return this;
    }

    /** How many requests were started over. */
    long resent() {
        return resent;
    }

    /** Writes {@code count} requests from an offset on, one after the other, and waits for all. */
    void write(long firstByte, int count, long generation) {
        run(true, firstByte, count, generation);
    }

    /** Reads as many and compares every byte. */
    void verify(long firstByte, int count, long generation) {
        run(false, firstByte, count, generation);
    }

    private void run(boolean write, long firstByte, int count, long generation) {
        progressNanos = System.nanoTime();
        int started = 0;
        int finished = 0;
        for (int slot = 0; slot < requests; slot++) {
            pending[slot] = 0;
            unsent[slot] = 0;
        }
        while (finished < count) {
            for (int slot = 0; slot < requests && started < count; slot++) {
                if (unsent[slot] == 0 && pending[slot] == 0) {
                    offsets[slot] = firstByte + (long) started * requestBytes;
                    unsent[slot] = requestBytes;
                    started++;
                    if (write) {
                        fill(expected, offsets[slot], generation);
                        Memory.copyFromArray(expected, 0, buffers[slot], requestBytes);
                    } else {
                        Memory.fill(buffers[slot], requestBytes, (byte) 0x5a);
                    }
                }
            }
            for (int slot = 0; slot < requests; slot++) {
                send(write, slot);
            }
            queue.flush();
            finished += poll(write, generation);
        }
    }

    /** Sends as much of a request as the queue takes. */
    private void send(boolean write, int slot) {
        while (unsent[slot] > 0 && !again[slot]) {
            int at = requestBytes - unsent[slot];
            int bytes = Math.min(unsent[slot], queue.maxTransferBytes());
            if (!send(write, slot, at, bytes)) {
                return;
            }
            unsent[slot] -= bytes;
        }
    }

    private boolean send(boolean write, int slot, int at, int bytes) {
        int shift = namespace.blockShift();
        long lba = (offsets[slot] + at) >>> shift;
        int blocks = bytes >>> shift;
        long address = buffers[slot] + at;
        int identifier = write
                ? queue.write(namespace, lba, blocks, address)
                : queue.read(namespace, lba, blocks, address);
        if (identifier == -Errno.EAGAIN) {
            return false;
        }
        if (identifier < 0) {
            fail("command refused: " + identifier);
        }
        slotOf[identifier] = slot;
        pending[slot]++;
        return true;
    }

    /** Takes completions; returns how many requests they finished. */
    private int poll(boolean write, long generation) {
        int finished = 0;
        int count = queue.poll(burst);
        for (int i = 0; i < count; i++) {
            int identifier = burst.identifiers[i];
            int status = burst.statuses[i];
            int slot = slotOf[identifier];
            queue.release(identifier);
            pending[slot]--;
            if (resend && NvmeStatus.code(status) == NvmeStatus.ABORTED_BY_HOST) {
                again[slot] = true;
            } else {
                assertEquals(NvmeStatus.SUCCESS, status, () -> NvmeStatus.describe(status) + " at " + offsets[slot]);
            }
            if (pending[slot] == 0 && again[slot]) {
                again[slot] = false;
                unsent[slot] = requestBytes;
                resent++;
            } else if (pending[slot] == 0 && unsent[slot] == 0) {
                finished++;
                if (!write) {
                    compare(slot, generation);
                }
            }
        }
        if (count != 0) {
            progressNanos = System.nanoTime();
        } else if (System.nanoTime() - progressNanos > PATIENCE.toNanos()) {
            fail("no completion in " + PATIENCE + ", " + queue.inFlight() + " commands in flight of " + this);
        }
        return finished;
    }

    private void compare(int slot, long generation) {
        fill(expected, offsets[slot], generation);
        Memory.copyToArray(buffers[slot], found, 0, requestBytes);
        int different = Arrays.mismatch(expected, found);
        if (different >= 0) {
            int word = different & -Long.BYTES;
            fail(String.format(
                    "byte %d of the namespace, generation %d: 0x%016x instead of 0x%016x",
                    offsets[slot] + different,
                    generation,
                    (long) LONG.get(found, word),
                    (long) LONG.get(expected, word)));
        }
    }

    /** What belongs at an offset of the namespace. */
    static void fill(byte[] bytes, long offset, long generation) {
        for (int i = 0; i < bytes.length; i += Long.BYTES) {
            LONG.set(bytes, i, (offset + i) << 16 ^ generation * 0x9e37_79b9_7f4a_7c15L);
        }
    }

    @Override
    public String toString() {
        return "%d x %d bytes at %x".formatted(requests, requestBytes, buffers[0] & 0xfff);
    }

    @Override
    public void close() {
        queue.close();
        memory.close();
    }
}
