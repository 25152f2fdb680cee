package io.gatun.bdev;

import io.gatun.linux.Errno;
import io.gatun.linux.Mapping;
import io.gatun.linux.Memory;
import io.gatun.linux.MemoryAdvice;
import io.gatun.reactor.Reactor;

/**
 * A RAM disk: sparse, zeroed, gone with the process.
 *
 * <p>Memory is taken page by page as it is written to, in transparent hugepages where the system has them, and given
 * back by discard and write-zeroes. Every request is done when {@code submit} returns.
 *
 * <p><b>Thread-safety:</b> as {@link Bdev}; channels share the memory without locks, as the queues of any disk do:
 * requests that overlap in time and range have no order.
 */
public final class MallocBdev extends MediumlessBdev {
    private static final long PAGE_BYTES = 4096;
    private static final long HUGEPAGE_BYTES = 2 << 20;

    private final MallocOptions options;
    private final long base;

    private MallocBdev(MallocOptions options, Mapping memory) {
        super(
                options.name(),
                options.uuid(),
                options.blockSizeBytes(),
                options.physicalBlockSizeBytes(),
                memory::close);
        this.options = options;
        base = roundUp(memory.address());
        if (!options.hugepages()) {
            // Only a hint: without transparent hugepages the disk works on ordinary pages.
            int ignored = MemoryAdvice.preferHugepages(base, roundUp(options.capacityBytes()));
        }
    }

    /** Makes a disk of zeros; throws {@link io.gatun.linux.LinuxException} where there is no address space for it. */
    public static MallocBdev create(MallocOptions options) {
        long bytes = roundUp(options.capacityBytes());
        return new MallocBdev(
                options,
                options.hugepages() ? Mapping.anonymousHuge(bytes) : Mapping.anonymous(bytes + HUGEPAGE_BYTES));
    }

    private static long roundUp(long value) {
        return (value + HUGEPAGE_BYTES - 1) & -HUGEPAGE_BYTES;
    }

    @Override
    public String productName() {
        return "Malloc disk";
    }

    @Override
    public long blockCount() {
        return options.blockCount();
    }

    @Override
    public BdevChannel openChannel(Reactor reactor) {
        openCount.open();
        return new Channel(base, capacityBytes(), options.hugepages() ? HUGEPAGE_BYTES : PAGE_BYTES, openCount);
    }

    @Override
    public Registration onResize(Runnable listener) {
        return () -> {}; // a RAM disk keeps its size
    }

    @Override
    public String toString() {
        return "malloc:" + name();
    }

    private static final class Channel extends BdevChannel {
        /** Below this, filling is cheaper than the system call and the page faults afterwards. */
        private static final long FREE_FROM_BYTES = 64 << 10;

        private final long base;
        private final long capacityBytes;
        private final long pageBytes;
        private final OpenCount openCount;
        private boolean closed;

        private Channel(long base, long capacityBytes, long pageBytes, OpenCount openCount) {
            this.base = base;
            this.capacityBytes = capacityBytes;
            this.pageBytes = pageBytes;
            this.openCount = openCount;
        }

        @Override
        public int submit(BdevRequest request) {
            // Proves every address below: segments add up to the length, and the range is the disk's.
            if (!inRange(request, capacityBytes)) {
                return -Errno.EINVAL;
            }
            long disk = base + request.offsetBytes;
            return switch (request.operation) {
                case BdevRequest.READ -> read(request, disk);
                case BdevRequest.WRITE -> write(request, disk);
                case BdevRequest.FLUSH -> 0;
                case BdevRequest.DISCARD, BdevRequest.WRITE_ZEROES -> zero(disk, request.lengthBytes);
                default -> -Errno.EOPNOTSUPP;
            };
        }

        private static int read(BdevRequest request, long disk) {
            long[] addresses = request.addresses;
            int[] lengths = request.lengths;
            long at = disk;
            int end = request.firstSegment + request.segmentCount;
            for (int i = request.firstSegment; i < end; i++) {
                int length = lengths[i];
                Memory.copy(at, addresses[i], length);
                at += length;
            }
            return 0;
        }

        private static int write(BdevRequest request, long disk) {
            long[] addresses = request.addresses;
            int[] lengths = request.lengths;
            long at = disk;
            int end = request.firstSegment + request.segmentCount;
            for (int i = request.firstSegment; i < end; i++) {
                int length = lengths[i];
                Memory.copy(addresses[i], at, length);
                at += length;
            }
            return 0;
        }

        /** Zeroes a range, giving whole pages back to the system. */
        private int zero(long start, long length) {
            long firstPage = (start + pageBytes - 1) & -pageBytes;
            long pagesEnd = (start + length) & -pageBytes;
            if (pagesEnd - firstPage < FREE_FROM_BYTES || MemoryAdvice.free(firstPage, pagesEnd - firstPage) < 0) {
                Memory.fill(start, length, (byte) 0);
                return 0;
            }
            Memory.fill(start, firstPage - start, (byte) 0);
            Memory.fill(pagesEnd, start + length - pagesEnd, (byte) 0);
            return 0;
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                openCount.close();
            }
        }
    }
}
