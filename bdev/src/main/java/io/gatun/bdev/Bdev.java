package io.gatun.bdev;

import io.gatun.reactor.Reactor;
import java.util.UUID;

/**
 * A block device: a range of blocks that channels read and write.
 *
 * <p>{@link #close} takes the device away from its owner; what it holds is freed when the last channel has closed too.
 *
 * <p><b>Thread-safety:</b> every method may be called from any thread, {@link #openChannel} on the reactor it names.
 */
public interface Bdev extends AutoCloseable {
    /** The name it was created with. */
    String name();

    /** What kind of device it is, in words. */
    String productName();

    UUID uuid();

    /** The unit of addressing, a power of two from 512 on. */
    int blockSizeBytes();

    /** The unit that the medium writes without reading first; a power of two, at least {@link #blockSizeBytes()}. */
    default int physicalBlockSizeBytes() {
        return blockSizeBytes();
    }

    /** How many blocks there are now; may change, see {@link #onResize}. */
    long blockCount();

    /** The size now: {@link #blockCount()} times {@link #blockSizeBytes()}. */
    default long capacityBytes() {
        return blockCount() * blockSizeBytes();
    }

    /** Whether writes are refused with {@code -EROFS}. */
    boolean readOnly();

    /** Whether a completed write may be lost with the machine until a {@link BdevRequest#FLUSH} has completed. */
    boolean writeCache();

    /** Whether an operation, one of the constants of {@link BdevRequest}, is carried out. */
    boolean supports(int operation);

    /**
     * Opens the device for one thread.
     *
     * @param reactor whose thread calls this and will call the channel; null where a test or a program drives it itself
     * @throws io.gatun.linux.LinuxException where the kernel refuses what the channel needs
     */
    BdevChannel openChannel(Reactor reactor);

    /** Calls {@code listener} after each change of {@link #blockCount()}, on the thread that changed it. */
    Registration onResize(Runnable listener);

    /**
     * Memory in which requests' segments may lie from now on, until {@link #memoryRemoved}: for devices that access it
     * by themselves. Does not throw. Memory of which the device is not told is served all the same, more slowly.
     *
     * @param address where whole pages are mapped in this process
     */
    default void memoryAdded(long address, long lengthBytes) {}

    /** No request in flight uses the memory at {@code address} any more, and it is about to be unmapped. */
    default void memoryRemoved(long address) {}

    /** Refuses new channels, and frees what the device holds as soon as no channel is open. */
    @Override
    void close();

    /** What undoes {@link #onResize}. */
    interface Registration extends AutoCloseable {
        @Override
        void close();
    }
}
