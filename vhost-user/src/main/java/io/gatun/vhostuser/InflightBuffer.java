package io.gatun.vhostuser;

import io.gatun.linux.Fd;
import io.gatun.linux.FileStatus;
import io.gatun.linux.LinuxException;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryFile;
import io.gatun.vhostuser.Payload.Inflight;
import io.gatun.vring.InflightLayout;
import java.util.function.BooleanSupplier;

/**
 * The shared buffer in which rings note what is in flight, so that a successor of this process can go on; one equal
 * region per queue, each on its own cache lines. The front-end keeps the file and never reads it.
 *
 * <p><b>Thread-safety:</b> immutable; each ring writes its own region.
 */
final class InflightBuffer implements AutoCloseable {
    private static final long CACHE_LINE_BYTES = 64;
    private static final long PAGE_BYTES = 4096;

    /** The buffer ends with what the driver has set beside the rings: a mark, and the device's encoding of it. */
    private static final long STATE_BYTES = 64;

    private static final int STATE_MARK = 0x4741_5455;

    private final Mapping mapping;
    private final Inflight described;

    private InflightBuffer(Mapping mapping, Inflight described) {
        this.mapping = mapping;
        this.described = described;
    }

    /**
     * Makes the file that {@code GET_INFLIGHT_FD} asks for: zeroed, and sealed, as the front-end has no reason to
     * resize it.
     */
    static MemoryFile createFile(Inflight wanted, boolean packed) throws ProtocolViolation {
        checkCounts(wanted);
        long bytes = wanted.queues() * stride(packed, wanted.queueSize()) + STATE_BYTES;
        MemoryFile file = null;
        try {
            file = MemoryFile.create("gatun-inflight", Math.ceilDiv(bytes, PAGE_BYTES) * PAGE_BYTES);
            file.addSeals(MemoryFile.SEAL_SHRINK | MemoryFile.SEAL_GROW | MemoryFile.SEAL_SEAL);
            return file;
        } catch (LinuxException e) {
            if (file != null) {
                file.close();
            }
            throw new ProtocolViolation("GET_INFLIGHT_FD: %s", e.getMessage());
        }
    }

    /** Maps a buffer that the front-end brings back; the file stays the caller's. */
    static InflightBuffer map(Inflight described, Fd file) throws ProtocolViolation {
        checkCounts(described);
        long bytes = described.mmapBytes();
        long offset = described.mmapOffset();
        if (bytes <= 0 || offset < 0 || offset + bytes < 0 || offset % PAGE_BYTES != 0) {
            throw new ProtocolViolation("the in-flight buffer has length 0x%x and offset 0x%x", bytes, offset);
        }
        try {
            FileStatus status = FileStatus.known(file);
            if (!status.isRegular() || status.lengthBytes() < offset + bytes) {
                throw new ProtocolViolation(
                        "the in-flight buffer needs a file of 0x%x bytes; its file has 0x%x",
                        offset + bytes, status.isRegular() ? status.lengthBytes() : 0);
            }
            return new InflightBuffer(Mapping.shared(file, offset, bytes), described);
        } catch (LinuxException e) {
            throw new ProtocolViolation("the in-flight buffer: %s", e.getMessage());
        }
    }

    /**
     * Where a ring's region starts, or 0 if the buffer was made for fewer queues; too small a buffer is a violation.
     */
    long address(int ring, int size, boolean packed) throws ProtocolViolation {
        if (ring >= described.queues()) {
            return 0;
        }
        if (size > described.queueSize()) {
            throw new ProtocolViolation(
                    "ring %d has %d descriptors; the in-flight buffer is for %d", ring, size, described.queueSize());
        }
        long stride = stride(packed, described.queueSize());
        if ((ring + 1) * stride > mapping.lengthBytes()) {
            throw new ProtocolViolation(
                    "the in-flight buffer of 0x%x bytes has no room for ring %d", mapping.lengthBytes(), ring);
        }
        return mapping.address() + ring * stride;
    }

    /** Notes what the driver has set, for a successor; nothing where the buffer has no room for it. */
    void saveState(int state, boolean packed) throws ProtocolViolation {
        if (hasState(packed)) {
            onSharedMemory(() -> {
                Memory.putInt(stateAddress() + Integer.BYTES, state);
                Memory.putInt(stateAddress(), STATE_MARK);
                return true;
            });
        }
    }

    /** Gives {@code device} what the driver had set with a predecessor; false where the buffer does not say. */
    boolean restoreState(VirtioDevice device, boolean packed) throws ProtocolViolation {
        return hasState(packed) && onSharedMemory(() -> {
            if (Memory.getInt(stateAddress()) != STATE_MARK) {
                return false;
            }
            device.restoreDriverState(Memory.getInt(stateAddress() + Integer.BYTES));
            return true;
        });
    }

    /** Other back-ends make buffers that end with the last ring. */
    private boolean hasState(boolean packed) {
        return described.queues() * stride(packed, described.queueSize())
                <= stateAddress() - mapping.address();
    }

    private long stateAddress() {
        return mapping.address() + mapping.lengthBytes() / STATE_BYTES * STATE_BYTES - STATE_BYTES;
    }

    private static boolean onSharedMemory(BooleanSupplier access) throws ProtocolViolation {
        try {
            boolean result = access.getAsBoolean();
            Memory.settle();
            return result;
        } catch (InternalError vanished) {
            throw new ProtocolViolation("the in-flight buffer was truncated");
        }
    }

    @Override
    public void close() {
        mapping.close();
    }

    private static long stride(boolean packed, int queueSize) {
        return Math.ceilDiv(InflightLayout.regionBytes(packed, queueSize), CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
    }

    private static void checkCounts(Inflight inflight) throws ProtocolViolation {
        if (inflight.queues() < 1
                || inflight.queues() > MessageLayout.MAX_INFLIGHT_QUEUES
                || inflight.queueSize() < 1
                || inflight.queueSize() > MessageLayout.MAX_QUEUE_SIZE) {
            throw new ProtocolViolation(
                    "an in-flight buffer for %d queues of %d is out of range", inflight.queues(), inflight.queueSize());
        }
    }
}
