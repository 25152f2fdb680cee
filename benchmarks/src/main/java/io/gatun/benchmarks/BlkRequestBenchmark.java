package io.gatun.benchmarks;

import io.gatun.bdev.Bdev;
import io.gatun.bdev.MallocBdev;
import io.gatun.bdev.MallocOptions;
import io.gatun.bdev.NullBdev;
import io.gatun.bdev.NullOptions;
import io.gatun.bdev.virtio.VirtioBlkDevice;
import io.gatun.bdev.virtio.VirtioBlkOptions;
import io.gatun.linux.Memory;
import io.gatun.vhostuser.QueueHandler;
import io.gatun.vhostuser.Vring;
import io.gatun.vhostuser.VringCounters;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What a virtio-blk request costs without a second core: 4 KiB random reads, driver and device on one thread. The
 * driver's share is what {@link RingBenchmark} measures with three segments.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BlkRequestBenchmark {
    private static final int BURST = 32;
    private static final int SECTOR_SHIFT = 9;
    private static final int BLOCK_BYTES = 4096;
    private static final long DISK_BYTES = 1L << 30;
    private static final int NO_CALL = -1;

    /** The ring's layout. */
    @Param({"split", "packed"})
    public String layout;

    /** What is behind the device. */
    @Param({"null", "malloc"})
    public String disk;

    private RingPair pair;
    private Bdev bdev;
    private QueueHandler handler;
    private long random = 0x9e3779b97f4a7c15L;

    /** Makes a disk and a queue that serves it. */
    @Setup
    public void connect() {
        pair = new RingPair(layout.equals("packed"));
        bdev = disk.equals("null")
                ? NullBdev.create(NullOptions.of("disk", DISK_BYTES, 512))
                : MallocBdev.create(MallocOptions.of("disk", DISK_BYTES, 512));
        Vring vring = new Vring(0, pair.device, null, NO_CALL, new VringCounters());
        handler = new VirtioBlkDevice(bdev, VirtioBlkOptions.DEFAULTS).startQueue(0, vring);
        pair.shapeAsRead(BLOCK_BYTES);
    }

    /** Releases both. */
    @TearDown
    public void disconnect() {
        handler.close();
        bdev.close();
        pair.close();
    }

    /** A burst of reads: sent, served, collected. */
    @Benchmark
    @OperationsPerInvocation(BURST)
    public int randomRead() {
        for (int i = 0; i < BURST; i++) {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            long sector = (random & (DISK_BYTES - BLOCK_BYTES)) >>> SECTOR_SHIFT;
            Memory.putLong(pair.addresses[0] + Long.BYTES, sector & -(BLOCK_BYTES >>> SECTOR_SHIFT));
            pair.driver.add(pair.addresses, pair.lengths, 0, 1, 2);
        }
        pair.driver.publishAvailable();
        handler.poll(BURST);
        int served = 0;
        while (pair.driver.popUsed() >= 0) {
            served++;
        }
        if (served != BURST) {
            throw new IllegalStateException(served + " requests served of " + BURST);
        }
        return served;
    }
}
